"""The lag of the relay, the transaction that causes it, and the relay's readiness."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from eventing import failures
from eventing import relay as module
from eventing.database import Database
from eventing.failures import Failures
from eventing.relay import Relay, progress
from eventing.store import FeedEntry
from eventing.store.postgres import PostgresStore
from eventing.testing import eventually
from eventing.testing.following import append, messages
from eventing.testing.messages import JarOpened, MarbleAdded
from eventing.testing.relaying import publish_all, running
from onebox.testing.databases import Databases
from runtime.bus.jetstream import JetStream
from runtime.http.health import Health, NotReady
from runtime.metrics import metrics_of
from structlog.testing import capture_logs

pytestmark = pytest.mark.usefixtures("fast_relay")


@asynccontextmanager
async def blocked(database: Database) -> AsyncGenerator[int]:
    """Keep a transaction open that has written, until it is terminated; yield its process id."""
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute("BEGIN; SELECT pg_current_xact_id()")
        yield await connection.fetchval("SELECT pg_backend_pid()")
    finally:
        connection.terminate()


async def reason_for_not_ready(relay: Relay) -> str:
    try:
        await relay.progress.check()
    except NotReady as not_ready:
        return str(not_ready)
    return ""


async def test_a_transaction_of_another_database_that_blocks_the_relay_is_named(
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
                assert re.search(holder, await reason_for_not_ready(relay))
                assert (metrics_of("eventing").get_sample_value("relay_lag_seconds") or 0) > 0
                assert (metrics_of("eventing").get_sample_value("relay_held_back_seconds") or 0) > 0
                assert await messages(js, "EVT_JAR") == []
        async with running(relay):
            await eventually(lambda: messages(js, "EVT_JAR"))
            await eventually(lambda: not relay.progress.lag_seconds)
            assert await reason_for_not_ready(relay) == ""
            assert metrics_of("eventing").get_sample_value("relay_held_back_seconds") == 0


async def test_a_transaction_that_blocks_the_relay_is_logged_once(
    store_apart: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured, database = progress.Progress(), store_apart.database
    async with blocked(database) as pid, blocked(database) as other:
        await append(store_apart, JarOpened(label="one"))
        with capture_logs() as logs:
            await measured.measure(database, (0, 0))  # the lag is short yet
            monkeypatch.setattr(progress, "LOG_LAG_SECONDS", 0.0)
            for _ in range(3):
                await measured.measure(database, (0, 0))
        assert [(entry["event"], entry["pid"]) for entry in logs] == [("an open transaction blocks the relay", pid)]
        await database.fetchval("SELECT pg_terminate_backend($1, 10000)", pid)
        with capture_logs() as logs:
            await measured.measure(database, (0, 0))
        assert [entry["pid"] for entry in logs] == [other]


async def test_a_relay_that_keeps_failing_is_not_ready(
    postgres_store: PostgresStore, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "MAX_SILENCE_SECONDS", 0.0)
    relay = Relay(postgres_store, js, "jar")
    await append(postgres_store, JarOpened(label="one"))
    await postgres_store.database.execute("UPDATE events SET topic = 'evt.jar.opened;7'")
    async with running(relay):
        await eventually(lambda: _reports(relay, "EventTooNew: evt.jar.opened;7 is not known here"))


async def _reports(relay: Relay, text: str) -> bool:
    return text in await reason_for_not_ready(relay)


async def test_health_reports_why_a_service_is_not_ready() -> None:
    async def stopped() -> None:
        raise NotReady("an operator has to fix it")

    async def failed() -> None:
        raise LookupError("secret")

    assert await Health({"one": stopped, "two": failed}).report() == {
        "one": "an operator has to fix it",
        "two": "LookupError",
    }


async def test_work_is_not_ready_while_it_keeps_failing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail() -> None:
        raise LookupError("no stream")

    noted = Failures()
    for _ in range(2):
        with pytest.raises(LookupError):
            await noted.track("open", fail())
    await noted.check()
    monkeypatch.setattr(failures, "MAX_FAILING_SECONDS", -1.0)
    with pytest.raises(NotReady, match=r"open has failed for \d+ s: LookupError: no stream"):
        await noted.check()
    monkeypatch.setattr(failures, "RECOVERY_SECONDS", 0.0)
    await noted.check()


async def test_a_batch_is_bounded_in_bytes(
    postgres_store: PostgresStore, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_sizes = list[int]()

    class Counting(Relay):
        async def _publish_all(self, public: list[FeedEntry]) -> None:
            batch_sizes.append(sum(len(fed.recorded.event.model_dump_json()) for fed in public))
            await super()._publish_all(public)

    monkeypatch.setattr(module, "BATCH_BYTES", 100_000)
    marbles = [MarbleAdded(colour="x" * 30_000, size=n) for n in range(12)]
    await append(postgres_store, JarOpened(label="one"), *marbles, MarbleAdded(colour="x" * 500_000, size=99))
    relay = Counting(postgres_store, js, "jar")
    await publish_all(relay)
    assert len(await messages(js, "EVT_JAR")) == 14
    assert max(batch_sizes[:-1]) <= 100_000 + 31_000
    assert len(batch_sizes) == 4


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
