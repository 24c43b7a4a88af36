"""UnfinishedWork work of an earlier release, whose workers consumed the stream of all events."""

import asyncio
from contextlib import suppress
from typing import Any, cast

import pytest
from eventing import relay as module
from eventing.bus import wire
from eventing.bus.streams import provision_work
from eventing.relay import Relay
from eventing.relay.position import CURSOR, format_cursor
from eventing.relay.work_stream import EarlierReleaseRunning
from eventing.store.postgres import PostgresStore
from eventing.testing import background, eventually
from eventing.testing.reacting import ReactionSpy, working
from eventing.testing.relaying import (
    WORK,
    is_work_done,
    labels,
    open_jars,
    relaying,
    replica_of,
    running,
    wait_until_saved,
)
from nats.js.api import AckPolicy, ConsumerConfig
from runtime.bus import Client, ordered
from runtime.bus.jetstream import JetStream

pytestmark = pytest.mark.usefixtures("fast_relay", "fast_reactions")


async def earlier_release(postgres_store: PostgresStore, js: JetStream, done: int, delivered: int, stored: int) -> Any:
    """Set up what the earlier release leaves: a consumer of the stream of events, with some of its work done."""
    async with running(relay := Relay(postgres_store, js, "jar")):
        await open_jars(postgres_store, *range(1, stored + 1))
        await wait_until_saved(relay)  # or its last write might follow the one below
    await postgres_store.database.execute("UPDATE relayed SET work_tx = NULL, work_position = NULL")
    config = ConsumerConfig(
        durable_name="jar-open", filter_subject="evt.jar.opened.*.*", ack_policy=AckPolicy.EXPLICIT, ack_wait=3600
    )
    await js.add_consumer("EVT_JAR", config)
    subscription = await js.pull_subscribe_bind("jar-open", "EVT_JAR")
    if delivered:
        for message in (await subscription.fetch(delivered, timeout=60))[:done]:
            await message.ack_sync()
    return subscription


async def test_only_unfinished_work_of_an_earlier_release_is_taken_over(
    postgres_store: PostgresStore, js: JetStream, client: Client
) -> None:
    await (await earlier_release(postgres_store, js, done=3, delivered=5, stored=7)).unsubscribe()
    spy = ReactionSpy()
    async with relaying(postgres_store, js), working((replica_of(client, postgres_store), spy)):
        await open_jars(postgres_store, 8)
        await eventually(lambda: len(spy.seen) >= 5)
        await eventually(lambda: is_work_done(js))
        await eventually(lambda: _has_no_consumer(js))
    assert labels(spy) == [4, 5, 6, 7, 8]


async def test_work_published_by_an_earlier_release_in_between_is_taken_over(
    postgres_store: PostgresStore, js: JetStream, client: Client
) -> None:
    spy = ReactionSpy()
    async with relaying(postgres_store, js) as relay, working((replica_of(client, postgres_store), spy)):
        await open_jars(postgres_store, 1)
        await eventually(lambda: spy.seen)
        await wait_until_saved(relay)
    await open_jars(postgres_store, 2)
    [fed] = await postgres_store.feed(relay.cursor, 1)
    old_headers = wire.headers(fed.recorded, "jar") | {CURSOR: format_cursor(fed.cursor)}
    await js.publish(wire.subject(fed.recorded), b'{"label": "2"}', headers=cast(dict[str, Any], old_headers))
    async with relaying(postgres_store, js), working((replica_of(client, postgres_store), spy)):
        await eventually(lambda: len(spy.seen) > 1)
    assert set(labels(spy)) == {1, 2}


async def _has_no_consumer(js: JetStream) -> bool:
    return [info.name for info in await js.consumers_info("EVT_JAR")] == []


async def test_finished_work_of_an_earlier_release_is_not_taken_over(
    postgres_store: PostgresStore, js: JetStream, client: Client
) -> None:
    await (await earlier_release(postgres_store, js, done=4, delivered=4, stored=4)).unsubscribe()
    spy = ReactionSpy()
    async with relaying(postgres_store, js), working((replica_of(client, postgres_store), spy)):
        await open_jars(postgres_store, 5)
        await eventually(lambda: spy.seen)
        await eventually(lambda: _has_no_consumer(js))
    assert labels(spy) == [5]


async def test_taking_work_over_may_take_longer_than_a_relay_may_hang(
    postgres_store: PostgresStore, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCK_IDLE_SECONDS", 1)
    monkeypatch.setattr(ordered, "BATCH", 1)
    await (await earlier_release(postgres_store, js, done=0, delivered=0, stored=8)).unsubscribe()
    relay = Relay(postgres_store, js, "jar", work=WORK)
    send = relay.work._send  # pyright: ignore[reportPrivateUsage]

    async def send_slowly(subject: str, headers: dict[str, str]) -> int:
        await asyncio.sleep(0.2)
        return await send(subject, headers)

    monkeypatch.setattr(relay.work, "_send", send_slowly)
    async with running(relay):
        await eventually(lambda: _has_no_consumer(js))


async def test_the_relay_waits_while_workers_of_an_earlier_release_run(
    postgres_store: PostgresStore, js: JetStream, client: Client
) -> None:
    subscription = await earlier_release(postgres_store, js, done=2, delivered=2, stored=2)
    await provision_work(js, "jar")
    async with background(_fetch_one(subscription)):
        await eventually(lambda: _has_waiting_fetch(js))
        with pytest.raises(EarlierReleaseRunning, match="stop all replicas of the earlier release"):
            await Relay(postgres_store, js, "jar", work=WORK).resume()


async def _fetch_one(subscription: Any) -> None:
    with suppress(TimeoutError):
        await subscription.fetch(1, timeout=60)


async def _has_waiting_fetch(js: JetStream) -> bool:
    return bool((await js.consumer_info("EVT_JAR", "jar-open")).num_waiting)
