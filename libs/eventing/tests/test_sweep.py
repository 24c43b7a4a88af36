"""UnfinishedWork work whose event the bus dropped, redelivers, or holds for another replica is done once."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from eventing import leases as leases_module
from eventing import reactions as module
from eventing.database import Database
from eventing.handling.dispatch import Dispatcher
from eventing.leases import UnfinishedWork
from eventing.reactions import Reaction, Reactor, Registration
from eventing.recording import EventTooNew, Recorded
from eventing.relay import Relay
from eventing.store.postgres import PostgresStore
from eventing.testing import background, eventually
from eventing.testing.deliveries import all_acknowledged, delivery_count
from eventing.testing.jars import answers, handles
from eventing.testing.messages import OpenJar
from eventing.testing.reacting import ReactionSpy
from runtime.bus import Client
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import JetStream
from runtime.clock import new_id

pytestmark = pytest.mark.usefixtures("fast_reactions", "fast_leases")

CONSUMER = "cupboard-open"
EMPTY = UnfinishedWork("SELECT id AS aggregate, id AS work FROM jars WHERE marbles = 0", lambda recorded: recorded.id)

type NewReplica = Callable[[Client], Reactor[str]]


@pytest.fixture
def new_replica(database: Database, postgres_store: PostgresStore) -> NewReplica:
    def start(client: Client) -> Reactor[str]:
        return Reactor("cupboard", client, Dispatcher(postgres_store, database, "a tool", handles, answers))

    return start


class Filling(ReactionSpy):
    """A reaction that waits for `go`, and while its jar is `held`, and then finishes the work."""

    def __init__(self, database: Database) -> None:
        super().__init__(self._fill)
        self.database, self.held = database, cast(UUID | None, None)
        self.go.set()

    async def _fill(self, recorded: Recorded[Any], _: Reaction[Any]) -> None:
        await self.go.wait()
        await eventually(lambda: recorded.id != self.held)
        await self.database.execute("UPDATE jars SET marbles = 1 WHERE id = $1", recorded.id)

    async def done(self) -> bool:
        return await self.database.fetchval("SELECT every(marbles > 0) FROM jars")


@pytest.fixture
def filling(database: Database) -> Filling:
    return Filling(database)


async def open_jars(replica: Reactor[str], jars: int = 1) -> None:
    for _ in range(jars):
        await replica.dispatcher.send(OpenJar(jar_id=new_id(), label=str(new_id())), Envelope.begin())


async def publish_again(postgres_store: PostgresStore, js: JetStream) -> None:
    """Publish all that is stored, also what was published before."""
    relay = Relay(postgres_store, js, "jar")
    relay.sequence = (await js.stream_info(relay.stream)).state.last_seq
    await eventually(relay.publish_batch)


def working(registration: Registration, *replicas: Reactor[str]) -> Any:
    never = asyncio.Event()
    work = [replica.work(registration, never) for replica in replicas]
    return background(*work, *(replica.leases.renew() for replica in replicas))


@pytest.mark.parametrize("concurrency", [1, 16])
async def test_work_whose_event_the_bus_has_dropped_is_done(
    client: Client, js: JetStream, new_replica: NewReplica, filling: Filling, concurrency: int
) -> None:
    replica = new_replica(client)
    await open_jars(replica, 3)
    await js.purge_stream("EVT_JAR")
    async with working(filling.registration(concurrency, EMPTY), replica):
        await eventually(filling.done)
    assert len(filling.seen) == 3


async def test_work_of_a_live_replica_is_not_taken_over(
    client: Client, other_client: Client, js: JetStream, new_replica: NewReplica, filling: Filling
) -> None:
    one, two = new_replica(client), new_replica(other_client)
    filling.go.clear()
    await open_jars(one)
    async with working(filling.registration(16, EMPTY), one, two):
        [first] = await eventually(lambda: filling.seen)
        filling.held = first.id
        filling.go.set()
        for n in range(2, 5):  # each is found by two searches in a row
            await open_jars(one)
            await eventually(lambda n=n: len(filling.seen) == n)
        filling.held = None
        await eventually(filling.done)
    assert len({recorded.id for recorded in filling.seen}) == len(filling.seen)


async def test_work_whose_worker_died_is_done_by_another(
    client: Client, other_client: Client, js: JetStream, new_replica: NewReplica, filling: Filling,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    gone, other = new_replica(client), new_replica(other_client)
    await open_jars(gone)
    [recorded] = [fed.recorded for fed in await gone.dispatcher.store.feed((0, 0), 1)]
    with monkeypatch.context() as dying:
        dying.setattr(leases_module, "LEASE_DURATION", timedelta(seconds=0.3))
        assert await gone.leases.acquire("open", EMPTY, recorded)  # and never renewed
    async with working(filling.registration(16, EMPTY), other):
        await eventually(filling.done)
    assert len(filling.seen) == 1


async def test_an_event_redelivered_often_during_its_work_is_ignored(
    client: Client, js: JetStream, new_replica: NewReplica, postgres_store: PostgresStore, filling: Filling,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(module, "ACK_WAIT", 0.05)
    replica, dead_lettered = new_replica(client), ReactionSpy()
    filling.go.clear()
    filling.on_dead_letter = dead_lettered.react
    await open_jars(replica)
    async with working(filling.registration(16, EMPTY), replica):
        await eventually(lambda: filling.seen)  # found by the search: its event is not published yet
        await publish_again(postgres_store, js)
        await eventually(lambda: _has_deliveries(js, 2 * module.MAX_DELIVERIES))
        filling.go.set()
        await eventually(lambda: all_acknowledged(js, CONSUMER))
    assert (len(filling.seen), dead_lettered.seen) == (1, [])


async def _has_deliveries(js: JetStream, number: int) -> bool:
    return await delivery_count(js, CONSUMER) >= number


async def test_a_bus_that_redelivers_every_event_repeats_no_work(
    client: Client, js: JetStream, new_replica: NewReplica, postgres_store: PostgresStore, database: Database,
    filling: Filling,
) -> None:  # fmt: skip
    replica = new_replica(client)
    await open_jars(replica, 30)
    await database.execute("UPDATE jars SET marbles = 1")
    await publish_again(postgres_store, js)
    async with working(filling.registration(16, EMPTY), replica):
        await eventually(lambda: all_acknowledged(js, CONSUMER))
    assert filling.seen == []


async def test_work_that_waits_in_the_bus_for_a_free_slot_is_done_once(
    client: Client, js: JetStream, new_replica: NewReplica, postgres_store: PostgresStore, filling: Filling
) -> None:
    replica = new_replica(client)
    filling.go.clear()
    await open_jars(replica, 6)
    await publish_again(postgres_store, js)
    async with working(filling.registration(2, EMPTY), replica):
        await eventually(lambda: len(filling.seen) == 2)
        filling.go.set()
        await eventually(filling.done)
        await eventually(lambda: all_acknowledged(js, CONSUMER))
    assert len({recorded.id for recorded in filling.seen}) == len(filling.seen) == 6


async def test_abandoned_work_that_keeps_failing_is_given_up(
    client: Client, js: JetStream, new_replica: NewReplica, filling: Filling
) -> None:
    replica, tries = new_replica(client), ReactionSpy(_fail)
    tries.on_dead_letter = filling.react
    await open_jars(replica)
    async with working(tries.registration(16, EMPTY), replica):
        await eventually(filling.done)
    assert len(tries.seen) == module.MAX_DELIVERIES


async def _fail(*_: object) -> None:
    raise ValueError("too slippery")


@pytest.mark.parametrize("published", [True, False])
async def test_work_waits_for_a_newer_release_however_often_it_is_tried(
    client: Client, js: JetStream, new_replica: NewReplica, postgres_store: PostgresStore, filling: Filling,
    published: bool,
) -> None:  # fmt: skip
    async def wait(recorded: Recorded[Any], reaction: Reaction[Any]) -> None:
        if len(spy.seen) <= module.MAX_DELIVERIES + 2:
            raise EventTooNew("evt.jar.sealed;1 is not known here")
        await filling.react(recorded, reaction)

    replica, spy, dead_lettered = new_replica(client), ReactionSpy(wait), ReactionSpy()
    spy.on_dead_letter = dead_lettered.react
    await open_jars(replica)
    if published:
        await publish_again(postgres_store, js)
    async with working(spy.registration(16, EMPTY), replica):
        await eventually(filling.done)
    assert not dead_lettered.seen


async def test_work_released_at_shutdown_is_taken_up_immediately(
    client: Client, other_client: Client, js: JetStream, new_replica: NewReplica,
    postgres_store: PostgresStore, filling: Filling, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(leases_module, "LEASE_DURATION", timedelta(hours=1))
    monkeypatch.setattr(module, "ACK_WAIT", 3600)
    one, waiting = new_replica(client), ReactionSpy.waiting()
    await open_jars(one)
    await publish_again(postgres_store, js)
    async with working(waiting.registration(16, EMPTY), one):
        await eventually(lambda: waiting.seen)
    async with working(filling.registration(16, EMPTY), new_replica(other_client)):
        await eventually(filling.done)
