"""Offers of work between two replicas: who does it, whatever the other one answers."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from contracts.wire import offer_subject
from eventing import offers as module
from eventing import wire
from eventing.leases import UnfinishedWork
from eventing.offers import ACK, SUBJECT, Offers
from eventing.recording import Recorded
from eventing.registration import Registration
from eventing.slots import Slots
from eventing.testing import eventually
from eventing.testing.messages import JarOpened
from nats.aio.msg import Msg
from prometheus_client import REGISTRY
from runtime import clock
from runtime.bus import Client
from runtime.envelope import Envelope
from runtime.pubsub import subscribe

ACK_SUBJECT = "$JS.ACK.EVT_JAR.cupboard-open.1.1.1.0.0"
UNFINISHED = UnfinishedWork("SELECT id AS aggregate, id AS work FROM jars", lambda recorded: recorded.id)
JAR = clock.new_id()


def message(client: Client, jar: UUID = JAR) -> Msg:
    """Return a message as the bus delivers it to a replica."""
    recorded = Recorded(jar, 1, clock.now(), JarOpened.example(), Envelope.begin(), jar)
    return Msg(client, wire.subject(recorded), ACK_SUBJECT, b"content", wire.headers(recorded, "jar"))


async def react(*_: object) -> None:
    """Do nothing: these tests process messages, not events."""


class Replica:
    """A replica that prefers the jars that it has processed, until it cools."""

    def __init__(self, client: Client, tasks: asyncio.TaskGroup, slots: int) -> None:
        self.client, self.warm, self.processed, self.go = client, set[UUID](), list[Msg](), asyncio.Event()
        self.go.set()
        registration = Registration("open", JarOpened, react, unfinished=UNFINISHED, prefers=self._prefers)
        self.slots = Slots(slots, tasks)
        self.offers = Offers("cupboard", client, registration, self.warm, self.slots, self._process)

    async def _prefers(self, warm: set[UUID], jar: UUID) -> bool:
        return jar in warm

    async def _process(self, message: Msg) -> None:
        self.processed.append(message)
        self.warm.add(wire.event_key(message.headers or {})[0])
        await self.go.wait()

    async def deliver(self, jar: UUID = JAR) -> None:
        """Process a message that the bus has delivered to this replica."""
        await self.offers.process(message(self.client, jar))
        await self.client.flush()  # real work takes longer than the bus to notice a subscription


@asynccontextmanager
async def replicas(*clients: Client, slots: int = 16) -> AsyncGenerator[tuple[Replica, ...]]:
    async with asyncio.TaskGroup() as tasks:
        some = tuple(Replica(client, tasks, slots) for client in clients)
        yield some
        for one in some:
            one.go.set()
            await one.offers.aclose()


def count(outcome: str) -> float:
    return REGISTRY.get_sample_value("work_offered_total", {"reaction": "open", "outcome": outcome}) or 0


async def test_a_message_is_handed_over_to_the_replica_that_prefers_it(client: Client, other_client: Client) -> None:
    async with replicas(client, other_client) as (warm, cold):
        await warm.deliver()
        accepted = count("accepted")
        await cold.deliver()
        await eventually(lambda: len(warm.processed) == 2)
    assert (cold.processed, count("accepted")) == ([], accepted + 1)


async def test_a_message_that_was_handed_over_is_the_one_that_was_delivered(
    client: Client, other_client: Client
) -> None:
    delivered = message(other_client)
    async with replicas(client, other_client) as (warm, cold):
        await warm.deliver()
        await cold.offers.process(delivered)
        await eventually(lambda: len(warm.processed) == 2)
    received = warm.processed[1]
    assert received.headers == delivered.headers
    assert (received.subject, received.reply, received.data) == (delivered.subject, ACK_SUBJECT, b"content")


async def test_a_message_that_no_replica_prefers_is_not_waited_for(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OFFER_SECONDS", 60)
    before = count("no holder")
    async with replicas(client) as (alone,), asyncio.timeout(30):
        await alone.deliver()
    assert (len(alone.processed), count("no holder")) == (1, before + 1)


async def test_a_replica_offers_nothing_that_it_prefers_itself(client: Client, other_client: Client) -> None:
    async with replicas(client, other_client) as (one, two):
        for replica in (one, two):
            replica.warm.add(JAR)
            await replica.deliver()
        await two.deliver()
    assert (len(one.processed), len(two.processed)) == (1, 2)


async def test_a_replica_that_is_no_longer_warm_refuses(client: Client, other_client: Client) -> None:
    async with replicas(client, other_client) as (cooled, other):
        await cooled.deliver()
        cooled.warm.clear()
        refused = count("refused")
        await other.deliver()
    assert (len(cooled.processed), len(other.processed), count("refused")) == (1, 1, refused + 1)


async def test_the_replica_that_works_after_a_refusal_is_preferred(client: Client, other_client: Client) -> None:
    async with replicas(client, other_client) as (cooled, other):
        await cooled.deliver()
        cooled.warm.clear()
        await other.deliver()
        await cooled.deliver()
        await eventually(lambda: len(other.processed) == 2)
    assert len(cooled.processed) == 1


async def test_a_replica_without_a_free_slot_refuses(client: Client, other_client: Client) -> None:
    async with replicas(client, other_client, slots=1) as (full, other):
        await full.deliver()
        await full.slots.acquire()
        await other.deliver()
        full.slots.release()
    assert (len(full.processed), len(other.processed)) == (1, 1)


async def test_accepted_messages_use_slots(client: Client, other_client: Client) -> None:
    async with replicas(client, other_client, slots=2) as (warm, other):
        await warm.deliver()
        warm.go.clear()
        for _ in range(3):
            await other.deliver()
        assert (len(warm.processed), len(other.processed)) == (3, 1)
        warm.go.set()
        await eventually(lambda: not warm.slots.full)


async def test_a_replica_that_drains_accepts_nothing(client: Client, other_client: Client) -> None:
    async with replicas(client, other_client) as (draining, other):
        await draining.deliver()
        no_holder = count("no holder")
        await draining.offers.aclose()
        await draining.deliver()  # what it had fetched before
        await other.deliver()
    assert (len(draining.processed), len(other.processed), count("no holder")) == (2, 1, no_holder + 1)


async def test_a_holder_that_hangs_is_not_waited_for_long(client: Client, other_client: Client) -> None:
    before = count("no answer")
    await subscribe(other_client, offer_subject("cupboard", "open", str(JAR)))
    await other_client.flush()
    async with replicas(client) as (replica,):
        await replica.deliver()
    assert (len(replica.processed), count("no answer")) == (1, before + 1)


async def test_a_preference_that_fails_leaves_the_work_here(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> bool:
        raise ConnectionRefusedError

    monkeypatch.setattr(Replica, "_prefers", fail)
    async with replicas(client) as (replica,):
        await replica.deliver()
    assert len(replica.processed) == 1


async def test_a_preference_that_takes_long_leaves_the_work_here(client: Client, other_client: Client) -> None:
    async def hang(*_: object) -> bool:
        await asyncio.sleep(3600)
        return True

    async with replicas(client, other_client) as (slow, other):
        await slow.deliver()
        slow.offers._preference = hang  # pyright: ignore[reportPrivateUsage]
        await other.deliver()
    assert (len(slow.processed), len(other.processed)) == (1, 1)


async def test_a_message_that_is_no_event_is_processed_here(client: Client) -> None:
    async with replicas(client) as (replica,):
        handed = Msg(client, "evt.jar.opened", ACK_SUBJECT, b"", None)
        with pytest.raises(KeyError):  # of the test's own `_process`
            await replica.offers.process(handed)
    assert replica.processed == [handed]


@pytest.mark.parametrize(
    "headers",
    [
        None,
        {SUBJECT: "evt.jar.opened", ACK: ACK_SUBJECT},
        {"ce-subject": str(JAR), "aggregate-version": "1", "ce-time": "2026-01-01T00:00:00+00:00"},
        {"ce-subject": str(JAR), "aggregate-version": "1", "ce-time": "2026-01-01T00:00:00+00:00", ACK: "evt.x"},
        {"ce-subject": str(JAR), "aggregate-version": "1", "ce-time": "2026-01-01T00:00:00+00:00",
         ACK: "$JS.ACK.a.b.c.d.e.f.g"},
        {"ce-subject": str(JAR), "aggregate-version": "1", "ce-time": "2026-01-01T00:00:00+00:00",
         ACK: f"$JS.ACK.EVT_JAR.cupboard-open.1.1.1.{'9' * 400}.0"},
        {"ce-subject": str(JAR), "aggregate-version": "1", "ce-time": "2026-01-01T00:00:00+00:00",
         ACK: "$JS.ACK.EVT_JAR.shelf-open.1.1.1.0.0"},
        {"ce-subject": str(JAR), "aggregate-version": "1", "ce-time": "2026-01-01T00:00:00+00:00",
         ACK: "$JS.ACK.EVT_SHELF.cupboard-open.1.1.1.0.0"},
        {"ce-subject": str(UUID(int=1)), "aggregate-version": "1", "ce-time": "2026-01-01T00:00:00+00:00",
         ACK: ACK_SUBJECT},
    ],
)  # fmt: skip
async def test_an_offer_that_is_not_valid_is_refused(client: Client, headers: dict[str, Any] | None) -> None:
    async with replicas(client) as (replica,):
        await replica.deliver()
        subject = offer_subject("cupboard", "open", str(JAR))
        answer = await client.request(subject, b"x" * 100_000, timeout=30, headers=headers)
    assert (answer.data, len(replica.processed)) == (module.REFUSED, 1)


async def test_an_offer_without_a_reply_subject_changes_nothing(client: Client, other_client: Client) -> None:
    async with replicas(client, other_client) as (warm, cold):
        await warm.deliver()
        await client.publish(offer_subject("cupboard", "open", str(JAR)), b"")
        await client.flush()
        await cold.deliver()
        await eventually(lambda: len(warm.processed) + len(cold.processed) == 2)


async def test_subscriptions_are_limited_to_the_last_aggregates(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SUBSCRIPTIONS", 3)
    before = len(client._subs)  # pyright: ignore[reportPrivateUsage]
    async with replicas(client) as (replica,):
        for jar in [JAR, *(clock.new_id() for _ in range(5)), JAR]:
            await replica.deliver(jar)
        assert len(client._subs) <= before + 1 + 3  # pyright: ignore[reportPrivateUsage]  one is for replies
    assert len(client._subs) <= before + 1  # pyright: ignore[reportPrivateUsage]


async def test_concurrent_messages_of_an_aggregate_subscribe_once(client: Client) -> None:
    async with replicas(client) as (replica,):
        await asyncio.gather(*(replica.deliver() for _ in range(5)))
        subscribed = [sub for sub in client._subs.values() if sub.subject.endswith(str(JAR))]  # pyright: ignore[reportPrivateUsage]
        assert len(subscribed) == 1


def test_a_preference_without_a_lease_is_an_error() -> None:
    async def prefers(*_: object) -> bool:
        return True

    with pytest.raises(ValueError, match="unfinished"):
        Registration("open", JarOpened, react, prefers=prefers)
