"""Work that the bus has dropped, hands out again, or holds for others: it is done, once."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from eventing import leases as leases_module
from eventing import reactions as module
from eventing.database import Database
from eventing.dispatch import Dispatcher
from eventing.leases import UnfinishedWork
from eventing.postgres import PostgresStore
from eventing.reactions import Reaction, Reactor, Registration
from eventing.recording import EventTooNew, Recorded
from eventing.relay import Relay
from eventing.testing import background, eventually
from eventing.testing.jars import answers, handles
from eventing.testing.messages import OpenJar
from eventing.testing.reacting import ReactionSpy
from nats.js.errors import NotFoundError
from runtime.bus import Client
from runtime.clock import new_id
from runtime.envelope import Envelope
from runtime.jetstream import JetStream

EMPTY = UnfinishedWork("SELECT id AS aggregate, id AS work FROM jars WHERE marbles = 0", lambda recorded: recorded.id)

type NewReplica = Callable[[Client], Reactor[str]]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DELAY", 0.01)
    monkeypatch.setattr(module, "FETCH_TIMEOUT", 0.2)
    monkeypatch.setattr(leases_module, "SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(leases_module, "RENEWAL_SECONDS", 0.05)


@pytest.fixture
def new_replica(database: Database, postgres_store: PostgresStore) -> NewReplica:
    def start(client: Client) -> Reactor[str]:
        return Reactor("cupboard", client, Dispatcher(postgres_store, database, "a tool", handles, answers))

    return start


class Filling(ReactionSpy):
    """A reaction that waits for `go`, and as long as its jar is `held`, and then finishes the work."""

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


async def relayed(postgres_store: PostgresStore, js: JetStream) -> None:
    """Bring all that is stored to the bus, once more if it has been there."""
    relay = Relay(postgres_store, js, "jar")
    relay.sequence = (await js.stream_info(relay.stream)).state.last_seq
    await eventually(relay.publish_batch)


def working(registration: Registration, *replicas: Reactor[str]) -> Any:
    never = asyncio.Event()
    work = [replica.work(registration, never) for replica in replicas]
    return background(*work, *(replica.leases.renew() for replica in replicas))


async def settled(js: JetStream) -> bool:
    try:
        info = await js.consumer_info("EVT_JAR", "cupboard-open")
    except NotFoundError:
        return False
    return not info.num_pending and not info.num_ack_pending


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


async def test_work_that_a_live_replica_does_is_not_swept_by_another(
    client: Client, other_client: Client, js: JetStream, new_replica: NewReplica, filling: Filling
) -> None:
    one, two = new_replica(client), new_replica(other_client)
    filling.go.clear()
    await open_jars(one)
    async with working(filling.registration(16, EMPTY), one, two):
        [first] = await eventually(lambda: filling.seen)
        filling.held = first.id
        filling.go.set()
        for n in range(2, 5):  # each needs two looks
            await open_jars(one)
            await eventually(lambda n=n: len(filling.seen) == n)
        filling.held = None
        await eventually(filling.done)
    assert len({recorded.id for recorded in filling.seen}) == len(filling.seen)


async def test_work_whose_worker_is_gone_is_done_by_another(
    client: Client, other_client: Client, js: JetStream, new_replica: NewReplica, filling: Filling,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(leases_module, "LEASE_DURATION", timedelta(seconds=0.3))
    gone, other = new_replica(client), new_replica(other_client)
    await open_jars(gone)
    [recorded] = [fed.recorded for fed in await gone.dispatcher.store.feed((0, 0), 1)]
    assert await gone.leases.acquire("open", EMPTY, recorded)  # and never renewed
    async with working(filling.registration(16, EMPTY), other):
        await eventually(filling.done)
    assert len(filling.seen) == 1


async def test_an_event_that_the_bus_hands_out_while_its_work_goes_on_is_left_alone_however_often(
    client: Client, js: JetStream, new_replica: NewReplica, postgres_store: PostgresStore, filling: Filling,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(module, "ACK_WAIT", 0.05)
    replica, lost = new_replica(client), ReactionSpy()
    filling.go.clear()
    filling.on_dead_letter = lost.react
    await open_jars(replica)
    async with working(filling.registration(16, EMPTY), replica):
        await eventually(lambda: filling.seen)  # swept: the bus has not been told yet
        await relayed(postgres_store, js)
        await eventually(lambda: _handed_out(js, 2 * module.MAX_DELIVERIES))
        filling.go.set()
        await eventually(lambda: settled(js))
    assert (len(filling.seen), lost.seen) == (1, [])


async def _handed_out(js: JetStream, times: int) -> bool:
    info = await js.consumer_info("EVT_JAR", "cupboard-open")
    return bool(info.delivered and info.delivered.consumer_seq >= times)


async def test_a_bus_that_hands_out_all_there_ever_was_repeats_nothing(
    client: Client, js: JetStream, new_replica: NewReplica, postgres_store: PostgresStore, database: Database,
    filling: Filling,
) -> None:  # fmt: skip
    replica = new_replica(client)
    await open_jars(replica, 30)
    await database.execute("UPDATE jars SET marbles = 1")
    await relayed(postgres_store, js)
    async with working(filling.registration(16, EMPTY), replica):
        await eventually(lambda: settled(js))
    assert filling.seen == []


async def test_work_that_only_waits_in_the_bus_for_a_place_is_done_once(
    client: Client, js: JetStream, new_replica: NewReplica, postgres_store: PostgresStore, filling: Filling
) -> None:
    replica = new_replica(client)
    filling.go.clear()
    await open_jars(replica, 6)
    await relayed(postgres_store, js)
    async with working(filling.registration(2, EMPTY), replica):
        await eventually(lambda: len(filling.seen) == 2)
        filling.go.set()
        await eventually(filling.done)
        await eventually(lambda: settled(js), within=20)
    assert len({recorded.id for recorded in filling.seen}) == len(filling.seen) == 6


async def test_swept_work_that_fails_each_time_is_lost_in_the_end(
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


@pytest.mark.parametrize("by_the_bus", [True, False])
async def test_work_waits_for_a_newer_release_however_often_it_is_taken(
    client: Client, js: JetStream, new_replica: NewReplica, postgres_store: PostgresStore, filling: Filling,
    by_the_bus: bool,
) -> None:  # fmt: skip
    async def wait(recorded: Recorded[Any], reaction: Reaction[Any]) -> None:
        if len(spy.seen) <= module.MAX_DELIVERIES + 2:
            raise EventTooNew("evt.jar.sealed;1 is not known here")
        await filling.react(recorded, reaction)

    replica, spy, lost = new_replica(client), ReactionSpy(wait), ReactionSpy()
    spy.on_dead_letter = lost.react
    await open_jars(replica)
    if by_the_bus:
        await relayed(postgres_store, js)
    async with working(spy.registration(16, EMPTY), replica):
        await eventually(filling.done)
    assert not lost.seen


async def test_work_that_was_given_back_at_the_end_is_taken_up_at_once(
    client: Client, other_client: Client, js: JetStream, new_replica: NewReplica,
    postgres_store: PostgresStore, filling: Filling, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(leases_module, "LEASE_DURATION", timedelta(hours=1))
    monkeypatch.setattr(module, "ACK_WAIT", 3600)
    one, waiting = new_replica(client), ReactionSpy.waiting()
    await open_jars(one)
    await relayed(postgres_store, js)
    async with working(waiting.registration(16, EMPTY), one):
        await eventually(lambda: waiting.seen)
    async with working(filling.registration(16, EMPTY), new_replica(other_client)):
        await eventually(filling.done)
