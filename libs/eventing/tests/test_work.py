"""The work stream: work is neither lost nor repeated, whatever happens to the stream of events."""

import asyncio
from uuid import UUID

import pytest
from eventing.bus.streams import provision_work
from eventing.relay import Relay
from eventing.store.postgres import PostgresStore
from eventing.testing import eventually
from eventing.testing.deliveries import dead_letter_count
from eventing.testing.following import append, headers, messages
from eventing.testing.messages import JarOpened, LockSet, MarbleAdded
from eventing.testing.reacting import ReactionSpy, replica, working
from eventing.testing.relaying import (
    WORK,
    has_messages,
    is_work_done,
    labels,
    open_jars,
    relaying,
    replica_of,
    running,
    wait_until_saved,
)
from nats.js.api import StreamConfig
from runtime.bus import Client
from runtime.bus.jetstream import JetStream, jetstream

pytestmark = pytest.mark.usefixtures("fast_relay", "fast_reactions")


async def waiting_subjects(js: JetStream) -> list[str]:
    return [message.subject or "" for message in await messages(js, "WORK_JAR")]


async def test_a_work_message_holds_ids_and_no_payload(postgres_store: PostgresStore, js: JetStream) -> None:
    async with relaying(postgres_store, js) as relay:
        await append(postgres_store, JarOpened(label="one"), MarbleAdded.example(), LockSet.example(), at=UUID(int=1))
        await eventually(lambda: waiting_subjects(js))
        await wait_until_saved(relay)
    [message] = await messages(js, "WORK_JAR")
    assert message.subject == f"work.jar.opened.{UUID(int=1)}.{UUID(int=1)}"
    assert not message.data
    [work, event] = await headers(js, "WORK_JAR"), await headers(js, "EVT_JAR")
    assert [header["ce-id"] for header in work] == [event[0]["ce-id"]]


async def test_a_reaction_reads_the_same_event_from_the_store_as_from_the_bus(
    postgres_store: PostgresStore, js: JetStream, client: Client
) -> None:
    spy, received = ReactionSpy(), ReactionSpy()
    async with relaying(postgres_store, js), working((replica_of(client, postgres_store), spy)):
        await open_jars(postgres_store, 1)
        await eventually(lambda: spy.seen)
        await eventually(lambda: is_work_done(js))
        await eventually(lambda: has_messages(js, "EVT_JAR", 1))  # which follows the work
    async with working((replica(client), received)):  # another service, which reads it from the bus
        await eventually(lambda: received.seen)
    assert spy.seen == received.seen


async def test_large_events_do_not_displace_work(postgres_store: PostgresStore, js: JetStream, client: Client) -> None:
    await js.delete_stream("EVT_JAR")
    await js.add_stream(StreamConfig(name="EVT_JAR", subjects=["evt.jar.>"], max_bytes=2**20))
    spy, relay = ReactionSpy(), Relay(postgres_store, js, "jar", work=WORK, max_bytes=2**20)
    async with running(relay):
        await open_jars(postgres_store, 1)
        for _ in range(20):
            await append(postgres_store, MarbleAdded(colour="x" * 100_000, size=1), at=UUID(int=2))
        await eventually(lambda: _first_message_is_after(js, 1))
        async with working((replica_of(client, postgres_store), spy)):
            await eventually(lambda: spy.seen)
    assert labels(spy) == [1]


async def _first_message_is_after(js: JetStream, sequence: int) -> bool:
    return (await js.stream_info("EVT_JAR")).state.first_seq > sequence


async def test_a_refilled_stream_of_events_repeats_no_work(
    postgres_store: PostgresStore, js: JetStream, client: Client
) -> None:
    spy = ReactionSpy()
    async with relaying(postgres_store, js) as relay, working((replica_of(client, postgres_store), spy)):
        await open_jars(postgres_store, 1, 2, 3)
        await eventually(lambda: len(spy.seen) == 3)
        await wait_until_saved(relay)
        await js.delete_stream("EVT_JAR")
        await eventually(lambda: has_messages(js, "EVT_JAR", 3))
        await open_jars(postgres_store, 4)
        await eventually(lambda: len(spy.seen) >= 4)
        await eventually(lambda: is_work_done(js))
    assert labels(spy) == [1, 2, 3, 4]


async def test_only_unfinished_work_is_published_after_the_bus_lost_everything(
    postgres_store: PostgresStore, js: JetStream, client: Client
) -> None:
    spy = ReactionSpy()
    async with relaying(postgres_store, js) as relay:
        async with working((replica_of(client, postgres_store), spy)):
            await open_jars(postgres_store, 1, 2, 3)
            await eventually(lambda: len(spy.seen) == 3)
            await eventually(lambda: is_work_done(js))
        await open_jars(postgres_store, 4, 5)
        await eventually(lambda: has_messages(js, "WORK_JAR", 2))
        await eventually(lambda: has_messages(js, "EVT_JAR", 5))
        await eventually(lambda: _floor_is_before(postgres_store, relay, 4))
    await js.delete_stream("EVT_JAR")
    await js.delete_stream("WORK_JAR")
    async with relaying(postgres_store, js), working((replica_of(client, postgres_store), spy)):
        await eventually(lambda: len(spy.seen) >= 5)
        await eventually(lambda: has_messages(js, "EVT_JAR", 5))
        await eventually(lambda: is_work_done(js))
    assert labels(spy) == [1, 2, 3, 4, 5]


async def _floor_is_before(store: PostgresStore, relay: Relay, number: int) -> bool:
    row = await store.database.fetchrow(
        "SELECT tx::text, position FROM events WHERE originator_id = $1", UUID(int=number)
    )
    assert row
    return relay.saved_position is not None and relay.saved_position.work_floor == (int(row["tx"]), row["position"] - 1)


async def test_a_lost_work_stream_is_filled_again(postgres_store: PostgresStore, js: JetStream, client: Client) -> None:
    spy = ReactionSpy()
    async with relaying(postgres_store, js) as relay:
        await open_jars(postgres_store, 1, 2)
        await eventually(lambda: has_messages(js, "WORK_JAR", 2))
        await wait_until_saved(relay)
        await js.delete_stream("WORK_JAR")
        await eventually(lambda: has_messages(js, "WORK_JAR", 2))
        async with working((replica_of(client, postgres_store), spy)):
            await eventually(lambda: len(spy.seen) == 2)
        assert await has_messages(js, "EVT_JAR", 2)


async def test_a_recreated_consumer_receives_only_unfinished_work(
    postgres_store: PostgresStore, js: JetStream, client: Client
) -> None:
    spy = ReactionSpy()
    async with relaying(postgres_store, js), working((replica_of(client, postgres_store), spy)):
        await open_jars(postgres_store, 1, 2, 3)
        await eventually(lambda: len(spy.seen) == 3)
        await eventually(lambda: is_work_done(js))
        await js.delete_consumer("WORK_JAR", "jar-open")
        await open_jars(postgres_store, 4)
        await eventually(lambda: len(spy.seen) >= 4)
    assert labels(spy) == [1, 2, 3, 4]


async def test_work_whose_event_a_failover_lost_is_dropped(
    postgres_store: PostgresStore, js: JetStream, client: Client
) -> None:
    spy = ReactionSpy()
    async with relaying(postgres_store, js):
        await open_jars(postgres_store, 1, 2)
        await eventually(lambda: has_messages(js, "WORK_JAR", 2))
    await postgres_store.database.execute("DELETE FROM events WHERE originator_id = $1", UUID(int=1))
    async with working((replica_of(client, postgres_store), spy)):
        await eventually(lambda: is_work_done(js))
    assert labels(spy) == [2]
    assert await dead_letter_count(js) == 0


async def test_two_racing_relays_publish_each_piece_of_work_once(
    postgres_store: PostgresStore, js: JetStream, client: Client, other_client: Client
) -> None:
    await provision_work(js, "jar")
    relays = [Relay(postgres_store, jetstream(one), "jar", work=WORK) for one in (client, other_client)]
    for relay in relays:
        await relay.resume()
    await open_jars(postgres_store, *range(1, 30))
    await asyncio.gather(*(relay.publish_batch() for relay in relays), return_exceptions=True)
    assert await has_messages(js, "WORK_JAR", 29)
    assert await has_messages(js, "EVT_JAR", 29)
