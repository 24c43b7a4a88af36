"""An event that crashes the service each time is given up; others that were in progress at the time are not."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from eventing import leases as leases_module
from eventing import reactions as module
from eventing.database import Database
from eventing.handling.dispatch import Dispatcher
from eventing.leases import OtherSuspect, UnfinishedWork
from eventing.reactions import Reaction, Reactor
from eventing.reactions.postponements import Postponements
from eventing.reactions.suspects import MAX_ATTEMPTS, Suspects
from eventing.recording import Recorded
from eventing.relay import Relay
from eventing.store.postgres import PostgresStore
from eventing.testing import background, eventually
from eventing.testing.jars import answers, handles
from eventing.testing.messages import OpenJar
from eventing.testing.offering import ACK_SUBJECT
from eventing.testing.reacting import ReactionSpy
from nats.aio.msg import Msg
from runtime.bus import Client, NoResponders
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import JetStream
from runtime.clock import new_id

pytestmark = pytest.mark.usefixtures("fast_reactions", "fast_leases")

EMPTY = UnfinishedWork("SELECT id AS aggregate, id AS work FROM jars WHERE marbles = 0", lambda recorded: recorded.id)

type NewReplica = Callable[[], Reactor[str]]


class Crashing(ReactionSpy):
    """A reaction that crashes the service at the jar `bad`, and fills any other one after that, if it is let."""

    def __init__(self, database: Database) -> None:
        super().__init__(self._fill_or_crash)
        self.database, self.on_dead_letter = database, self._give_up
        self.crashed, self.other_began = asyncio.Event(), asyncio.Event()
        self.crashes, self.done, self.given_up = 0, list[str](), list[str]()

    async def _fill_or_crash(self, recorded: Recorded[Any], _: Reaction[Any]) -> None:
        if recorded.event.label == "bad":
            await self._crash()
        self.other_began.set()
        await self.go.wait()
        await asyncio.sleep(0.1)  # longer than an event needs to crash the service
        await self._close(recorded, self.done)

    async def _crash(self) -> None:
        if not self.go.is_set():
            await self.other_began.wait()
        self.crashes += 1
        self.crashed.set()
        await asyncio.Event().wait()

    async def _give_up(self, recorded: Recorded[Any], _: Reaction[Any]) -> None:
        await self._close(recorded, self.given_up)

    async def _close(self, recorded: Recorded[Any], labels: list[str]) -> None:
        await self.database.execute("UPDATE jars SET marbles = 1 WHERE id = $1", recorded.id)
        labels.append(recorded.event.label)

    @property
    def over(self) -> bool:
        return len(self.done + self.given_up) == 2


@pytest.fixture
def new_replica(client: Client, database: Database, postgres_store: PostgresStore) -> NewReplica:
    return lambda: Reactor("cupboard", client, Dispatcher(postgres_store, database, "a tool", handles, answers))


async def open_jars(replica: Reactor[str], postgres_store: PostgresStore, *labels: str) -> None:
    for label in labels:
        await replica.dispatcher.send(OpenJar(jar_id=new_id(), label=label), Envelope.begin())
    await eventually(Relay(postgres_store, replica.js, "jar").publish_batch)


async def work_until_crash(
    replica: Reactor[str], spy: Crashing, unfinished: UnfinishedWork | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy.crashed.clear()
    spy.other_began.clear()
    work = replica.work(spy.registration(unfinished=unfinished), asyncio.Event())
    async with background(work, replica.leases.renew()):
        await eventually(lambda: spy.crashed.is_set() or spy.over)
        monkeypatch.setattr(replica.leases, "_release", _forget)


async def _forget(*_: object) -> None:
    """Release no lease, as a process that is killed does not."""


@pytest.mark.parametrize("unfinished", [None, EMPTY], ids=["delivered", "leased"])
async def test_only_the_event_that_crashes_the_service_is_given_up(
    js: JetStream, new_replica: NewReplica, postgres_store: PostgresStore, database: Database,
    unfinished: UnfinishedWork | None, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(leases_module, "LEASE_DURATION", timedelta(seconds=0.2))
    spy = Crashing(database)
    await open_jars(new_replica(), postgres_store, "good", "bad")
    for _ in range(module.MAX_DELIVERIES):
        await work_until_crash(new_replica(), spy, unfinished, monkeypatch)
    spy.go.set()
    while not spy.over:
        await work_until_crash(new_replica(), spy, unfinished, monkeypatch)
    assert (spy.done, spy.given_up) == (["good"], ["bad"])
    assert module.MAX_DELIVERIES < spy.crashes <= module.MAX_DELIVERIES + MAX_ATTEMPTS


async def test_crashes_while_an_event_waits_for_another_suspect_do_not_count(
    js: JetStream, new_replica: NewReplica, postgres_store: PostgresStore, database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    spy, waits = Crashing(database), asyncio.Event()

    async def record(*_: object) -> int:  # the service crashes before
        waits.set()
        return await asyncio.Event().wait()

    async def crash_after(begun: asyncio.Event, replica: Reactor[str]) -> None:
        begun.clear()
        async with background(replica.work(spy.registration(), asyncio.Event())):
            await eventually(lambda: begun.is_set() or spy.given_up)

    await open_jars(new_replica(), postgres_store, "good")
    for _ in range(module.MAX_DELIVERIES):
        await crash_after(spy.other_began, new_replica())
    with monkeypatch.context() as patched:
        patched.setattr(Postponements, "record", record)
        for _ in range(MAX_ATTEMPTS + 1):
            replica = new_replica()
            with replica.suspects.turn(True):
                await crash_after(waits, replica)
    spy.go.set()
    async with background(new_replica().work(spy.registration(), asyncio.Event())):
        await eventually(lambda: spy.done or spy.given_up)
    assert (spy.done, spy.given_up) == (["good"], [])


async def test_an_attempt_that_waits_for_another_service_does_not_count(
    new_replica: NewReplica, client: Client
) -> None:
    postponements, delivered = new_replica().postponements, Msg(client, reply=ACK_SUBJECT)
    for _ in range(MAX_ATTEMPTS + 1):
        await postponements.begin_attempt("open", delivered)
        await postponements.record("open", delivered, NoResponders("It is unavailable."))


def test_one_suspect_is_tried_at_a_time_beside_events_that_are_none() -> None:
    suspects = Suspects()
    with suspects.turn(True):
        with suspects.turn(False):
            pass
        with pytest.raises(OtherSuspect), suspects.turn(True):
            pass
    with suspects.turn(True):
        pass
