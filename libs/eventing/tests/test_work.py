"""The work stream: what workers have to do is neither lost nor done again, whatever becomes of the stream of events."""

import asyncio
from uuid import UUID

import pytest
from contracts.wire import DEAD_LETTERS
from eventing import reactions as reactions_module
from eventing import relay as module
from eventing.postgres import PostgresStore
from eventing.relay import Relay
from eventing.streams import provision_work
from eventing.testing import background, eventually
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
    wait_until_saved,
)
from nats.js.api import StreamConfig
from runtime.bus import Client
from runtime.forever import forever
from runtime.jetstream import JetStream, jetstream


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(module, "CHECK_EVERY_POLLS", 3)
    monkeypatch.setattr(reactions_module, "FETCH_TIMEOUT", 0.2)
    monkeypatch.setattr(reactions_module, "MAX_DELAY", 0.01)


async def waiting(js: JetStream) -> list[str]:
    return [message.subject or "" for message in await messages(js, "WORK_JAR")]


async def test_work_is_handed_over_by_its_ids_alone(postgres_store: PostgresStore, js: JetStream) -> None:
    async with relaying(postgres_store, js) as relay:
        await append(postgres_store, JarOpened(label="one"), MarbleAdded.example(), LockSet.example(), at=UUID(int=1))
        await eventually(lambda: waiting(js))
        await wait_until_saved(relay)
    [message] = await messages(js, "WORK_JAR")
    assert message.subject == f"work.jar.opened.{UUID(int=1)}.{UUID(int=1)}"
    assert not message.data
    [head, other] = await headers(js, "WORK_JAR"), await headers(js, "EVT_JAR")
    assert [h["ce-id"] for h in head] == [other[0]["ce-id"]]


async def test_a_reaction_gets_the_event_from_the_store_as_it_is_on_the_bus(
    postgres_store: PostgresStore, js: JetStream, client: Client
) -> None:
    spy, heard = ReactionSpy(), ReactionSpy()
    async with relaying(postgres_store, js), working((replica_of(client, postgres_store), spy)):
        await open_jars(postgres_store, 1)
        await eventually(lambda: spy.seen)
        await eventually(lambda: is_work_done(js))
    async with working((replica(client), heard)):  # another service, which has it with its body
        await eventually(lambda: heard.seen)
    assert spy.seen == heard.seen


async def test_large_events_of_others_do_not_push_work_out(
    postgres_store: PostgresStore, js: JetStream, client: Client
) -> None:
    await js.delete_stream("EVT_JAR")
    await js.add_stream(StreamConfig(name="EVT_JAR", subjects=["evt.jar.>"], max_bytes=2**20))
    spy, relay = ReactionSpy(), Relay(postgres_store, js, "jar", work=WORK, max_bytes=2**20)
    async with background(forever("relay", relay.run)):
        await open_jars(postgres_store, 1)
        for _ in range(20):
            await append(postgres_store, MarbleAdded(colour="x" * 100_000, size=1), at=UUID(int=2))
        await eventually(lambda: _begins_behind(js, 1))
        async with working((replica_of(client, postgres_store), spy)):
            await eventually(lambda: spy.seen)
    assert labels(spy) == [1]


async def _begins_behind(js: JetStream, sequence: int) -> bool:
    return (await js.stream_info("EVT_JAR")).state.first_seq > sequence


async def test_a_stream_of_events_that_is_filled_anew_hands_out_no_work_again(
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


async def test_when_the_bus_lost_everything_only_what_is_not_done_is_handed_out(
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


async def test_work_that_the_bus_lost_alone_is_handed_out_again(
    postgres_store: PostgresStore, js: JetStream, client: Client
) -> None:
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


async def test_a_new_consumer_gets_only_what_is_not_done(
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


async def test_work_on_an_event_that_a_failover_lost_is_dropped(
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
    assert (await js.stream_info(DEAD_LETTERS)).state.messages == 0


async def test_two_relays_that_race_hand_each_work_over_once(
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
