"""How far the relay is behind, who holds it back, and what its readiness says."""

import asyncio
import re
from contextlib import AbstractAsyncContextManager

import pytest
from eventing import failures, progress
from eventing import relay as module
from eventing.database import Database
from eventing.failures import Failures
from eventing.postgres import PostgresStore
from eventing.relay import Relay
from eventing.store import FeedEntry
from eventing.testing import background, eventually
from eventing.testing.following import append, messages
from eventing.testing.messages import JarOpened, MarbleAdded
from onebox.testing.databases import Databases
from prometheus_client import REGISTRY
from runtime.forever import forever
from runtime.health import Health, NotReady
from runtime.jetstream import JetStream


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(module, "CHECK_EVERY_POLLS", 3)


def running(relay: Relay) -> AbstractAsyncContextManager[object]:
    return background(forever("relay", relay.run))


async def reason(relay: Relay) -> str:
    try:
        await relay.progress.check()
    except NotReady as not_ready:
        return str(not_ready)
    return ""


async def test_a_transaction_in_another_database_that_holds_the_relay_back_is_named(
    postgres_store: PostgresStore, js: JetStream, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "MAX_LAG_SECONDS", 0.0)
    relay = Relay(postgres_store, js, "jar")
    async with databases.fresh() as url, Database.open(url, "reports") as other:
        async with other.transaction() as connection:
            pid = await connection.fetchval("SELECT pg_backend_pid()")
            await connection.execute("SELECT pg_current_xact_id()")
            await append(postgres_store, JarOpened(label="one"))
            async with running(relay):
                await eventually(lambda: relay.progress.blocked_by)
                name = url.partition("?")[0].rpartition("/")[2]
                holder = rf"pid {pid} \(reports, database {name}\) has a transaction open for \d+ s"
                assert re.search(holder, await reason(relay))
                assert (REGISTRY.get_sample_value("relay_lag_seconds") or 0) > 0
                assert (REGISTRY.get_sample_value("relay_held_back_seconds") or 0) > 0
                assert await messages(js, "EVT_JAR") == []
        async with running(relay):
            await eventually(lambda: messages(js, "EVT_JAR"))
            await eventually(lambda: not relay.progress.lag_seconds)
            assert await reason(relay) == ""
            assert REGISTRY.get_sample_value("relay_held_back_seconds") == 0


async def test_a_relay_that_fails_again_and_again_is_not_ready(
    postgres_store: PostgresStore, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "MAX_SILENCE_SECONDS", 0.0)
    relay = Relay(postgres_store, js, "jar")
    await append(postgres_store, JarOpened(label="one"))
    await postgres_store.database.execute("UPDATE events SET topic = 'evt.jar.opened;7'")
    async with running(relay):
        await eventually(lambda: _says(relay, "EventNewer: evt.jar.opened;7 is not known here"))


async def _says(relay: Relay, text: str) -> bool:
    return text in await reason(relay)


async def test_the_reason_why_a_service_is_not_ready_is_told() -> None:
    async def stopped() -> None:
        raise NotReady("somebody has to mend it")

    async def failed() -> None:
        raise LookupError("secret")

    assert await Health({"one": stopped, "two": failed}).report() == {
        "one": "somebody has to mend it",
        "two": "LookupError",
    }


async def test_work_that_fails_for_long_is_not_ready_and_is_when_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail() -> None:
        raise LookupError("no stream")

    noted = Failures()
    for _ in range(2):
        with pytest.raises(LookupError):
            await noted.track("open", fail())
    await noted.check()
    monkeypatch.setattr(failures, "MAX_FAILING_SECONDS", -1.0)
    with pytest.raises(NotReady, match="open has failed for 0 s: LookupError: no stream"):
        await noted.check()
    monkeypatch.setattr(failures, "RECOVERY_SECONDS", 0.0)
    await noted.check()


async def test_what_is_read_and_under_way_at_once_is_bounded_in_bytes(
    postgres_store: PostgresStore, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way = list[int]()

    class Counting(Relay):
        async def _publish_all(self, public: list[FeedEntry]) -> None:
            under_way.append(sum(len(fed.recorded.event.model_dump_json()) for fed in public))
            await super()._publish_all(public)

    monkeypatch.setattr(module, "BATCH_BYTES", 100_000)
    marbles = [MarbleAdded(colour="x" * 30_000, size=n) for n in range(12)]
    await append(postgres_store, JarOpened(label="one"), *marbles, MarbleAdded(colour="x" * 500_000, size=99))
    relay = Counting(postgres_store, js, "jar")
    await relay.resume()
    while await relay.publish_batch():
        pass
    assert len(await messages(js, "EVT_JAR")) == 14
    assert max(under_way[:-1]) <= 100_000 + 31_000
    assert len(under_way) == 4


async def test_a_relay_that_hangs_is_replaced(
    postgres_store: PostgresStore, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCK_IDLE_SECONDS", 0.5)
    hanging, other, stuck = Relay(postgres_store, js, "jar"), Relay(postgres_store, js, "jar"), asyncio.Event()

    async def hang() -> int:
        stuck.set()
        return await asyncio.Future()

    monkeypatch.setattr(hanging, "publish_batch", hang)
    async with running(hanging):
        await stuck.wait()
        async with running(other):
            await append(postgres_store, JarOpened(label="one"))
            await eventually(lambda: messages(js, "EVT_JAR"))
