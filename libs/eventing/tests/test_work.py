"""The work stream: what workers have to do is neither lost nor done again, whatever becomes of the stream of events."""

# pyright: reportUnknownMemberType=false
# nats-py leaves the keyword parameters of its methods without types.

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Event
from eventing import reactions as reactions_module
from eventing import relay as module
from eventing.postgres import PostgresStore
from eventing.reactions import Reaction, Reactions, Reactor
from eventing.recording import Recorded
from eventing.relay import Relay
from eventing.streams import DEAD_LETTERS, jetstream, provision, provision_work
from eventing.testing import background, eventually
from eventing.testing.following import append, headers, messages
from eventing.testing.messages import JarOpened, LockSet, MarbleAdded
from eventing.testing.reacting import Acting, replica, working
from eventing.work import EarlierRelease
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import NotFoundError
from runtime.forever import forever

WORK: dict[type[Event], str] = {JarOpened: "jar-open"}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL", 0.02)
    monkeypatch.setattr(module, "LOOK", 3)
    monkeypatch.setattr(reactions_module, "FETCH_TIMEOUT", 0.2)
    monkeypatch.setattr(reactions_module, "LONGEST_DELAY", 0.01)


@asynccontextmanager
async def relaying(store: PostgresStore, js: JetStreamContext) -> AsyncGenerator[Relay]:
    relay = Relay(store, js, "jar", work=WORK)
    async with background(forever("relay", relay.run)):
        yield relay


def replica_of(client: Client, store: PostgresStore) -> Reactor[str]:
    reactor = replica(client, service="jar")
    reactor.dispatcher.store, reactor.waits.database = store, store.database
    return reactor


async def open_jars(store: PostgresStore, *numbers: int) -> None:
    for number in numbers:
        await append(store, JarOpened(label=str(number)), at=UUID(int=number))


def labels(acting: Acting) -> list[int]:
    return sorted(int(recorded.fact.label) for recorded in acting.seen)


async def relayed(relay: Relay) -> None:
    await eventually(lambda: relay.noted and relay.noted.cursor == relay.cursor)


async def settled(js: JetStreamContext) -> bool:
    return (await js.stream_info("WORK_JAR")).state.messages == 0


async def waiting(js: JetStreamContext) -> list[str]:
    return [message.subject or "" for message in await messages(js, "WORK_JAR")]


async def test_work_is_handed_over_by_its_ids_alone(postgres_store: PostgresStore, js: JetStreamContext) -> None:
    async with relaying(postgres_store, js) as relay:
        await append(postgres_store, JarOpened(label="one"), MarbleAdded.example(), LockSet.example(), at=UUID(int=1))
        await eventually(lambda: waiting(js))
        await relayed(relay)
    [message] = await messages(js, "WORK_JAR")
    assert message.subject == f"work.jar.opened.{UUID(int=1)}.{UUID(int=1)}"
    assert not message.data
    [head, other] = await headers(js, "WORK_JAR"), await headers(js, "EVT_JAR")
    assert [h["ce-id"] for h in head] == [other[0]["ce-id"]]


async def test_a_reaction_gets_the_event_from_the_store_as_it_is_on_the_bus(
    postgres_store: PostgresStore, js: JetStreamContext, client: Client
) -> None:
    acting, heard = Acting(), Acting()
    async with relaying(postgres_store, js), working((replica_of(client, postgres_store), acting)):
        await open_jars(postgres_store, 1)
        await eventually(lambda: acting.seen)
        await eventually(lambda: settled(js))
    async with working((replica(client), heard)):  # another service, which has it with its body
        await eventually(lambda: heard.seen)
    assert acting.seen == heard.seen


async def test_large_events_of_others_do_not_push_work_out(
    postgres_store: PostgresStore, js: JetStreamContext, client: Client
) -> None:
    await js.delete_stream("EVT_JAR")
    await js.add_stream(name="EVT_JAR", subjects=["evt.jar.>"], max_bytes=2**20)
    acting, relay = Acting(), Relay(postgres_store, js, "jar", work=WORK, largest=2**20)
    async with background(forever("relay", relay.run)):
        await open_jars(postgres_store, 1)
        for _ in range(20):
            await append(postgres_store, MarbleAdded(colour="x" * 100_000, size=1), at=UUID(int=2))
        await eventually(lambda: _begins_behind(js, 1))
        async with working((replica_of(client, postgres_store), acting)):
            await eventually(lambda: acting.seen)
    assert labels(acting) == [1]


async def _begins_behind(js: JetStreamContext, sequence: int) -> bool:
    return (await js.stream_info("EVT_JAR")).state.first_seq > sequence


async def test_a_stream_of_events_that_is_filled_anew_hands_out_no_work_again(
    postgres_store: PostgresStore, js: JetStreamContext, client: Client
) -> None:
    acting = Acting()
    async with relaying(postgres_store, js) as relay, working((replica_of(client, postgres_store), acting)):
        await open_jars(postgres_store, 1, 2, 3)
        await eventually(lambda: len(acting.seen) == 3)
        await relayed(relay)
        await js.delete_stream("EVT_JAR")
        await eventually(lambda: _count(js, "EVT_JAR", 3))
        await open_jars(postgres_store, 4)
        await eventually(lambda: len(acting.seen) >= 4)
        await eventually(lambda: settled(js))
    assert labels(acting) == [1, 2, 3, 4]


async def _count(js: JetStreamContext, stream: str, number: int) -> bool:
    try:
        return (await js.stream_info(stream)).state.messages == number
    except NotFoundError:
        return False


async def test_when_the_bus_lost_everything_only_what_is_not_done_is_handed_out(
    postgres_store: PostgresStore, js: JetStreamContext, client: Client
) -> None:
    acting = Acting()
    async with relaying(postgres_store, js) as relay:
        async with working((replica_of(client, postgres_store), acting)):
            await open_jars(postgres_store, 1, 2, 3)
            await eventually(lambda: len(acting.seen) == 3)
            await eventually(lambda: settled(js))
        await open_jars(postgres_store, 4, 5)
        await eventually(lambda: _count(js, "WORK_JAR", 2))
        await eventually(lambda: _floor_is_before(postgres_store, relay, 4))
    await js.delete_stream("EVT_JAR")
    await js.delete_stream("WORK_JAR")
    async with relaying(postgres_store, js), working((replica_of(client, postgres_store), acting)):
        await eventually(lambda: len(acting.seen) >= 5)
        await eventually(lambda: _count(js, "EVT_JAR", 5))
        await eventually(lambda: settled(js))
    assert labels(acting) == [1, 2, 3, 4, 5]


async def _floor_is_before(store: PostgresStore, relay: Relay, number: int) -> bool:
    row = await store.database.fetchrow(
        "SELECT tx::text, position FROM events WHERE originator_id = $1", UUID(int=number)
    )
    assert row
    return relay.noted is not None and relay.noted.floor == (int(row["tx"]), row["position"] - 1)


async def test_work_that_the_bus_lost_alone_is_handed_out_again(
    postgres_store: PostgresStore, js: JetStreamContext, client: Client
) -> None:
    acting = Acting()
    async with relaying(postgres_store, js) as relay:
        await open_jars(postgres_store, 1, 2)
        await eventually(lambda: _count(js, "WORK_JAR", 2))
        await relayed(relay)
        await js.delete_stream("WORK_JAR")
        await eventually(lambda: _count(js, "WORK_JAR", 2))
        async with working((replica_of(client, postgres_store), acting)):
            await eventually(lambda: len(acting.seen) == 2)
        assert await _count(js, "EVT_JAR", 2)


async def test_a_new_consumer_gets_only_what_is_not_done(
    postgres_store: PostgresStore, js: JetStreamContext, client: Client
) -> None:
    acting = Acting()
    async with relaying(postgres_store, js), working((replica_of(client, postgres_store), acting)):
        await open_jars(postgres_store, 1, 2, 3)
        await eventually(lambda: len(acting.seen) == 3)
        await eventually(lambda: settled(js))
        await js.delete_consumer("WORK_JAR", "jar-open")
        await open_jars(postgres_store, 4)
        await eventually(lambda: len(acting.seen) >= 4)
    assert labels(acting) == [1, 2, 3, 4]


async def earlier_release(postgres_store: PostgresStore, js: JetStreamContext, done: int, taken: int, all_: int) -> Any:
    """Leave what the release before leaves: a consumer of the stream of events, with some of its work done."""
    async with background(forever("relay", Relay(postgres_store, js, "jar").run)):
        await open_jars(postgres_store, *range(1, all_ + 1))
        await eventually(lambda: _count(js, "EVT_JAR", all_))
    await postgres_store.database.execute("UPDATE relayed SET work_tx = NULL, work_position = NULL")
    config = ConsumerConfig(
        durable_name="jar-open", filter_subject="evt.jar.opened.*.*", ack_policy=AckPolicy.EXPLICIT, ack_wait=3600
    )
    await js.add_consumer("EVT_JAR", config)
    taking = await js.pull_subscribe_bind("jar-open", "EVT_JAR")
    if taken:
        for message in (await taking.fetch(taken))[:done]:
            await message.ack_sync()
    return taking


async def test_what_an_earlier_release_has_not_finished_is_handed_over_and_nothing_else(
    postgres_store: PostgresStore, js: JetStreamContext, client: Client
) -> None:
    await (await earlier_release(postgres_store, js, done=3, taken=5, all_=7)).unsubscribe()
    acting = Acting()
    async with relaying(postgres_store, js), working((replica_of(client, postgres_store), acting)):
        await open_jars(postgres_store, 8)
        await eventually(lambda: len(acting.seen) >= 5)
        await eventually(lambda: settled(js))
        await eventually(lambda: _gone(js))
    assert labels(acting) == [4, 5, 6, 7, 8]


async def _gone(js: JetStreamContext) -> bool:
    return [info.name for info in await js.consumers_info("EVT_JAR")] == []


async def test_of_an_earlier_release_that_had_finished_all_nothing_is_handed_over(
    postgres_store: PostgresStore, js: JetStreamContext, client: Client
) -> None:
    await (await earlier_release(postgres_store, js, done=4, taken=4, all_=4)).unsubscribe()
    acting = Acting()
    async with relaying(postgres_store, js), working((replica_of(client, postgres_store), acting)):
        await open_jars(postgres_store, 5)
        await eventually(lambda: acting.seen)
        await eventually(lambda: _gone(js))
    assert labels(acting) == [5]


async def test_while_an_earlier_release_works_its_work_is_left_to_it(
    postgres_store: PostgresStore, js: JetStreamContext, client: Client
) -> None:
    taking = await earlier_release(postgres_store, js, done=2, taken=2, all_=2)
    await provision_work(js, "jar")
    async with background(_take_one(taking)):
        await eventually(lambda: _waits(js))
        with pytest.raises(EarlierRelease, match="stop all replicas of the earlier release"):
            await Relay(postgres_store, js, "jar", work=WORK).resume()


async def _take_one(taking: Any) -> None:
    with suppress(TimeoutError):
        await taking.fetch(1, timeout=10)


async def _waits(js: JetStreamContext) -> bool:
    return bool((await js.consumer_info("EVT_JAR", "jar-open")).num_waiting)


async def test_work_on_an_event_that_a_failover_lost_is_dropped(
    postgres_store: PostgresStore, js: JetStreamContext, client: Client
) -> None:
    acting = Acting()
    async with relaying(postgres_store, js):
        await open_jars(postgres_store, 1, 2)
        await eventually(lambda: _count(js, "WORK_JAR", 2))
    await postgres_store.database.execute("DELETE FROM events WHERE originator_id = $1", UUID(int=1))
    async with working((replica_of(client, postgres_store), acting)):
        await eventually(lambda: settled(js))
    assert labels(acting) == [2]
    assert (await js.stream_info(DEAD_LETTERS)).state.messages == 0


def test_two_shared_reactions_to_one_kind_of_event_are_refused() -> None:
    reactions = Reactions()

    @reactions.once()
    async def one(recorded: Recorded[JarOpened], reaction: Reaction[None]) -> None: ...

    @reactions.once()
    async def other(recorded: Recorded[JarOpened], reaction: Reaction[None]) -> None: ...

    assert reactions.work_of("shelf") == {}
    with pytest.raises(ValueError, match="for one kind of event"):
        reactions.work_of("jar")


async def test_two_relays_that_race_hand_each_work_over_once(
    postgres_store: PostgresStore, js: JetStreamContext, client: Client, other_client: Client
) -> None:
    await provision_work(js, "jar")
    relays = [Relay(postgres_store, jetstream(one), "jar", work=WORK) for one in (client, other_client)]
    for relay in relays:
        await relay.resume()
    await open_jars(postgres_store, *range(1, 30))
    await asyncio.gather(*(relay.once() for relay in relays), return_exceptions=True)
    assert await _count(js, "WORK_JAR", 29)
    assert await _count(js, "EVT_JAR", 29)
    await provision(js, "EVT_JAR", ["evt.jar.>"])
