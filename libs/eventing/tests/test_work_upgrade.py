"""Work that an earlier release, which took it from the stream of all events, has left."""

import asyncio
from contextlib import suppress
from typing import Any, cast

import pytest
from eventing import reactions as reactions_module
from eventing import relay as module
from eventing import wire
from eventing.postgres import PostgresStore
from eventing.relay import Relay
from eventing.relay_position import CURSOR, format_cursor
from eventing.streams import provision_work
from eventing.testing import background, eventually
from eventing.testing.reacting import ReactionSpy, working
from eventing.testing.relaying import (
    WORK,
    has_messages,
    is_work_done,
    labels,
    open_jars,
    relaying,
    replica_of,
    wait_until_saved,
)
from eventing.work_stream import EarlierReleaseRunning
from nats.js.api import AckPolicy, ConsumerConfig
from runtime import ordered
from runtime.bus import Client
from runtime.forever import forever
from runtime.jetstream import JetStream


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(module, "CHECK_EVERY_POLLS", 3)
    monkeypatch.setattr(reactions_module, "FETCH_TIMEOUT", 0.2)
    monkeypatch.setattr(reactions_module, "MAX_DELAY", 0.01)


async def earlier_release(
    postgres_store: PostgresStore, js: JetStream, done: int, unique_violations: int, all_: int
) -> Any:
    """Leave what the release before leaves: a consumer of the stream of events, with some of its work done."""
    async with background(forever("relay", Relay(postgres_store, js, "jar").run)):
        await open_jars(postgres_store, *range(1, all_ + 1))
        await eventually(lambda: has_messages(js, "EVT_JAR", all_))
    await postgres_store.database.execute("UPDATE relayed SET work_tx = NULL, work_position = NULL")
    config = ConsumerConfig(
        durable_name="jar-open", filter_subject="evt.jar.opened.*.*", ack_policy=AckPolicy.EXPLICIT, ack_wait=3600
    )
    await js.add_consumer("EVT_JAR", config)
    taking = await js.pull_subscribe_bind("jar-open", "EVT_JAR")
    if unique_violations:
        for message in (await taking.fetch(unique_violations))[:done]:
            await message.ack_sync()
    return taking


async def test_what_an_earlier_release_has_not_finished_is_handed_over_and_nothing_else(
    postgres_store: PostgresStore, js: JetStream, client: Client
) -> None:
    await (await earlier_release(postgres_store, js, done=3, unique_violations=5, all_=7)).unsubscribe()
    spy = ReactionSpy()
    async with relaying(postgres_store, js), working((replica_of(client, postgres_store), spy)):
        await open_jars(postgres_store, 8)
        await eventually(lambda: len(spy.seen) >= 5)
        await eventually(lambda: is_work_done(js))
        await eventually(lambda: _gone(js))
    assert labels(spy) == [4, 5, 6, 7, 8]


async def test_what_a_relay_of_an_earlier_release_published_in_between_is_handed_over(
    postgres_store: PostgresStore, js: JetStream, client: Client
) -> None:
    spy = ReactionSpy()
    async with relaying(postgres_store, js) as relay, working((replica_of(client, postgres_store), spy)):
        await open_jars(postgres_store, 1)
        await eventually(lambda: spy.seen)
        await wait_until_saved(relay)
    await open_jars(postgres_store, 2)
    [fed] = await postgres_store.feed(relay.cursor, 1)
    headers_of_old = wire.headers(fed.recorded, "jar") | {CURSOR: format_cursor(fed.cursor)}
    await js.publish(wire.subject(fed.recorded), b'{"label": "2"}', headers=cast(dict[str, Any], headers_of_old))
    async with relaying(postgres_store, js), working((replica_of(client, postgres_store), spy)):
        await eventually(lambda: len(spy.seen) > 1)
    assert set(labels(spy)) == {1, 2}


async def _gone(js: JetStream) -> bool:
    return [info.name for info in await js.consumers_info("EVT_JAR")] == []


async def test_of_an_earlier_release_that_had_finished_all_nothing_is_handed_over(
    postgres_store: PostgresStore, js: JetStream, client: Client
) -> None:
    await (await earlier_release(postgres_store, js, done=4, unique_violations=4, all_=4)).unsubscribe()
    spy = ReactionSpy()
    async with relaying(postgres_store, js), working((replica_of(client, postgres_store), spy)):
        await open_jars(postgres_store, 5)
        await eventually(lambda: spy.seen)
        await eventually(lambda: _gone(js))
    assert labels(spy) == [5]


async def test_work_is_handed_over_also_when_that_takes_longer_than_a_relay_may_hang(
    postgres_store: PostgresStore, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCK_IDLE_SECONDS", 1)
    monkeypatch.setattr(ordered, "BATCH", 1)
    await (await earlier_release(postgres_store, js, done=0, unique_violations=0, all_=8)).unsubscribe()
    relay = Relay(postgres_store, js, "jar", work=WORK)
    send = relay.work._send  # pyright: ignore[reportPrivateUsage]

    async def slowly(subject: str, headers: dict[str, str]) -> int:
        await asyncio.sleep(0.2)
        return await send(subject, headers)

    monkeypatch.setattr(relay.work, "_send", slowly)
    async with background(forever("relay", relay.run)):
        await eventually(lambda: _gone(js), within=20)


async def test_while_an_earlier_release_works_its_work_is_left_to_it(
    postgres_store: PostgresStore, js: JetStream, client: Client
) -> None:
    taking = await earlier_release(postgres_store, js, done=2, unique_violations=2, all_=2)
    await provision_work(js, "jar")
    async with background(_take_one(taking)):
        await eventually(lambda: _waits(js))
        with pytest.raises(EarlierReleaseRunning, match="stop all replicas of the earlier release"):
            await Relay(postgres_store, js, "jar", work=WORK).resume()


async def _take_one(taking: Any) -> None:
    with suppress(TimeoutError):
        await taking.fetch(1, timeout=10)


async def _waits(js: JetStream) -> bool:
    return bool((await js.consumer_info("EVT_JAR", "jar-open")).num_waiting)
