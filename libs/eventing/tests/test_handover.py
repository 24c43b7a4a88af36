"""Work that one replica hands over to another on a real bus is done once, also if a replica or the bus fails."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

import pytest
import pytest_asyncio
from contracts.wire import offer_subject
from eventing import reactions as module
from eventing.bus import wire
from eventing.database import Database
from eventing.handling.dispatch import Dispatcher
from eventing.leases import UnfinishedWork
from eventing.reactions import Reaction, Reactor, Registration
from eventing.reactions import offers as offers_module
from eventing.reactions.offers import ACCEPTED, ACK, SUBJECT
from eventing.recording import Recorded
from eventing.store.postgres import PostgresStore
from eventing.testing import background, eventually
from eventing.testing.deliveries import RestartBus, all_acknowledged, delivery_count
from eventing.testing.jars import answers, handles
from eventing.testing.messages import JarOpened
from eventing.testing.offering import count
from eventing.testing.publishing import publish
from eventing.testing.reacting import ReactionSpy
from nats.aio.msg import Msg
from runtime import bus, clock
from runtime.bus import Client
from runtime.bus.jetstream import JetStream
from runtime.bus.pubsub import subscribe
from runtime.metrics import metrics_of

pytestmark = pytest.mark.usefixtures("fast_reactions", "patient_offers")

CONSUMER = "cupboard-open"
JAR = clock.new_id()
OPEN = UnfinishedWork("SELECT id AS aggregate, id AS work FROM jars", lambda recorded: recorded.id)


async def is_warm(warm: set[UUID], jar: UUID) -> bool:
    return jar in warm


def outcomes(outcome: str) -> float:
    return metrics_of("eventing").get_sample_value("reactions_total", {"reaction": "open", "outcome": outcome}) or 0


class Replica:
    """A replica that prefers the jars that it has worked on."""

    def __init__(self, client: Client, store: PostgresStore, database: Database) -> None:
        self.client, self.warm, self.draining, self.spy = client, set[UUID](), asyncio.Event(), ReactionSpy(self._react)
        self.drained = asyncio.Event()
        dispatcher = Dispatcher(store, database, self.warm, handles, answers)
        self.reactor, self.go = Reactor("cupboard", client, dispatcher), asyncio.Event()
        self.go.set()

    async def _react(self, recorded: Recorded[Any], _: Reaction[Any]) -> None:
        self.warm.add(recorded.id)
        await self.go.wait()

    async def work(self) -> None:
        """React until it drains."""
        registration = Registration("open", JarOpened, self.spy.react, 4, unfinished=OPEN, prefers=is_warm)
        await self.reactor.work(registration, self.draining)
        self.drained.set()


class Cupboard:
    """Two replicas, and a jar whose work is always unfinished."""

    def __init__(self, js: JetStream, *replicas: Replica) -> None:
        self.js, self.replicas = js, replicas

    @property
    def seen(self) -> list[int]:
        """How many events each replica has reacted to."""
        return [len(replica.spy.seen) for replica in self.replicas]

    async def deliver(self) -> None:
        """Publish an event of the jar, and wait until it is acknowledged."""
        total = sum(self.seen)
        await publish(self.js, JarOpened.example(), at=JAR)
        await eventually(lambda: sum(self.seen) > total)
        await eventually(lambda: all_acknowledged(self.js, CONSUMER))

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[tuple[Replica, Replica]]:
        """Let both work, and yield them after the first event: first the one that has reacted to it."""
        async with background(*(replica.work() for replica in self.replicas)):
            await self.deliver()
            one, two = sorted(self.replicas, key=lambda replica: not replica.warm)
            yield one, two


@pytest_asyncio.fixture
async def cupboard(
    client: Client, nats_url: str, js: JetStream, postgres_store: PostgresStore, database: Database
) -> AsyncGenerator[Cupboard]:
    await database.execute("INSERT INTO jars (id, label) VALUES ($1, 'blue')", JAR)
    async with bus.connected(nats_url, "one") as one, bus.connected(nats_url, "two") as two:
        yield Cupboard(js, *(Replica(connection, postgres_store, database) for connection in (one, two)))


async def test_the_events_of_an_aggregate_stay_in_one_replica(cupboard: Cupboard) -> None:
    async with cupboard.working():
        for _ in range(7):
            await cupboard.deliver()
    assert (sorted(cupboard.seen), await delivery_count(cupboard.js, CONSUMER)) == ([0, 8], 8)


async def test_events_go_to_the_other_replica_after_one_has_drained(cupboard: Cupboard) -> None:
    async with cupboard.working() as (warm, other):
        warm.draining.set()
        await warm.drained.wait()
        await warm.client.flush(60)  # an offer that is on its way to a subscription that ended is not answered
        for _ in range(3):
            await cupboard.deliver()
        assert (len(warm.spy.seen), len(other.spy.seen)) == (1, 3)


async def test_a_replica_that_drains_finishes_what_was_handed_over(cupboard: Cupboard) -> None:
    async with cupboard.working() as (warm, other):
        warm.go.clear()
        await publish(cupboard.js, JarOpened.example(), at=JAR)
        await eventually(lambda: len(warm.spy.seen) == 2)
        warm.draining.set()
        warm.go.set()
        await eventually(lambda: all_acknowledged(cupboard.js, CONSUMER))
        assert other.spy.seen == []


async def test_what_was_handed_over_has_heartbeats(cupboard: Cupboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ACK_WAIT", 3600)
    monkeypatch.setattr(module, "HEARTBEAT", 0.05)
    heartbeats = list[Msg]()

    async def observe(acknowledgement: Msg) -> None:
        if acknowledgement.data == Msg.Ack.Progress:
            heartbeats.append(acknowledgement)

    async with cupboard.working() as (warm, other):
        warm.go.clear()
        await subscribe(warm.client, f"$JS.ACK.EVT_JAR.{CONSUMER}.>", observe)
        await publish(cupboard.js, JarOpened.example(), at=JAR)
        await eventually(lambda: len(warm.spy.seen) == 2)
        await eventually(lambda: len(heartbeats) > 2)
        warm.go.set()
        await eventually(lambda: all_acknowledged(cupboard.js, CONSUMER))
        assert (other.spy.seen, await delivery_count(cupboard.js, CONSUMER)) == ([], 2)


async def test_work_of_a_replica_that_dies_after_it_accepted_is_redelivered(
    client: Client, cupboard: Cupboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def accept(offer: Msg) -> None:
        await subscription.unsubscribe(limit=1)
        await client.publish(offer.reply, ACCEPTED)

    monkeypatch.setattr(module, "ACK_WAIT", 0.5)
    subscription = await subscribe(client, offer_subject("cupboard", "open", str(JAR)), accept)
    await client.flush()
    async with cupboard.working():
        assert await delivery_count(cupboard.js, CONSUMER) >= 2


async def test_work_that_two_replicas_begin_is_done_by_one(cupboard: Cupboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ACK_WAIT", 3600)
    async with cupboard.working() as (warm, other):
        before = outcomes("taken over")
        monkeypatch.setattr(offers_module, "OFFER_SECONDS", 0)  # the answer is late, but the offer is accepted
        while outcomes("taken over") == before:
            other.warm.clear()
            total, offered = sum(cupboard.seen), count("no_answer")
            for replica in (warm, other):
                replica.go.clear()
            await publish(cupboard.js, JarOpened.example(), at=JAR)
            await eventually(lambda total=total: sum(cupboard.seen) > total)
            if count("no_answer") > offered:
                await eventually(lambda: outcomes("taken over") > before)
            assert sum(cupboard.seen) == total + 1
            for replica in (warm, other):
                replica.go.set()
            await eventually(lambda: all_acknowledged(cupboard.js, CONSUMER))


async def test_an_offer_that_arrives_twice_is_worked_on_once(client: Client, cupboard: Cupboard) -> None:
    async with cupboard.working() as (warm, _):
        warm.go.clear()
        recorded = await publish(cupboard.js, JarOpened.example(), at=JAR)
        await eventually(lambda: len(warm.spy.seen) == 2)
        last = await cupboard.js.consumer_info("EVT_JAR", CONSUMER)
        assert last.delivered
        headers = wire.headers(recorded, "jar") | {
            SUBJECT: wire.subject(recorded),
            ACK: f"$JS.ACK.EVT_JAR.{CONSUMER}.1.{last.delivered.stream_seq}.{last.delivered.consumer_seq}.0.0",
        }
        for _ in range(2):
            subject = offer_subject("cupboard", "open", str(JAR))
            answer = await client.request(subject, timeout=30, headers=cast(dict[str, Any], headers))
            assert answer.data == ACCEPTED
        warm.go.set()
        await eventually(lambda: all_acknowledged(cupboard.js, CONSUMER))
    assert sum(cupboard.seen) == 2


async def test_the_preference_outlasts_a_restart_of_the_bus(cupboard: Cupboard, restart_bus: RestartBus) -> None:
    async with cupboard.working():
        await restart_bus()
        for replica in cupboard.replicas:
            await eventually(lambda client=replica.client: client.stats["reconnects"] and client.is_connected)
            await replica.client.flush(60)
        for _ in range(4):
            await cupboard.deliver()
    assert sorted(cupboard.seen) == [0, 5]


async def test_a_cancelled_replica_leaves_what_it_has_handed_over(
    cupboard: Cupboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACK_WAIT", 3600)
    one, two = cupboard.replicas
    async with background(one.work()):
        await cupboard.deliver()
        one.go.clear()
        async with background(two.work()):
            await publish(cupboard.js, JarOpened.example(), at=JAR)
            await eventually(lambda: len(one.spy.seen) == 2)
        one.go.set()
        await eventually(lambda: all_acknowledged(cupboard.js, CONSUMER))
    assert (cupboard.seen, await delivery_count(cupboard.js, CONSUMER)) == ([2, 0], 2)
