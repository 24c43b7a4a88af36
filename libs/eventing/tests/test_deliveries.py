"""Reactions to few of many events: which ones concern them is asked for many at once."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from eventing import reactions
from eventing.bus.wire import EventHeaders
from eventing.reactions import Registration, deliveries
from eventing.testing import background, eventually
from eventing.testing.deliveries import all_acknowledged, count_heartbeats
from eventing.testing.messages import JarOpened
from eventing.testing.publishing import publish
from eventing.testing.reacting import ReactionSpy, replica
from runtime.bus import Client
from runtime.bus.jetstream import JetStream

pytestmark = pytest.mark.usefixtures("fast_reactions")

OPENED = JarOpened.example()


@pytest.fixture
def whole_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for all of 30 events, the first and the others, however slowly the bus of a busy machine delivers them."""
    monkeypatch.setattr(deliveries, "BATCH_SIZE", 29)
    monkeypatch.setattr(deliveries, "BATCH_TIMEOUT", 60.0)


class Concern:
    """Which events concern a reaction: those with these versions."""

    def __init__(self, *versions: int) -> None:
        self.versions, self.asked = versions, list[list[int]]()

    async def __call__(self, events: Sequence[EventHeaders], dependencies: Any) -> list[bool]:
        self.asked.append([event.version for event in events])
        return [event.version in self.versions for event in events]

    def of(self, spy: ReactionSpy) -> Registration:
        return replace(spy.registration(concurrency=2), concerning=self)


class FailingConcern(Concern):
    """It is unknown which events concern a reaction."""

    async def __call__(self, events: Sequence[EventHeaders], dependencies: Any) -> list[bool]:
        raise TimeoutError


@pytest.mark.usefixtures("whole_batches")
async def test_only_events_that_concern_a_reaction_are_processed(client: Client, js: JetStream) -> None:
    spy, concern = ReactionSpy(), Concern(7, 8, 9, 30)
    for version in range(1, 31):
        await publish(js, OPENED, aggregate_version=str(version))
    async with background(replica(client).work(concern.of(spy), asyncio.Event())):
        await eventually(lambda: len(spy.seen) >= 4)  # a new consumer may report for a moment that nothing is pending
        await eventually(lambda: all_acknowledged(js))
    assert [recorded.version for recorded in spy.seen] == [7, 8, 9, 30]
    assert [version for asked in concern.asked for version in asked] == [*range(1, 31)]
    assert len(concern.asked) < 10  # those that wait are asked about together


async def test_all_events_are_processed_if_it_is_unknown_which_concern(client: Client, js: JetStream) -> None:
    spy = ReactionSpy()
    for version in (1, 2, 3):
        await publish(js, OPENED, aggregate_version=str(version))
    async with background(replica(client).work(FailingConcern().of(spy), asyncio.Event())):
        await eventually(lambda: len(spy.seen) >= 3)
        await eventually(lambda: all_acknowledged(js))
    assert sorted(recorded.version for recorded in spy.seen) == [1, 2, 3]


@pytest.mark.usefixtures("whole_batches")
async def test_events_that_wait_for_a_slot_are_not_redelivered(
    client: Client, other_client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reactions, "HEARTBEAT", 0.05)
    heartbeats = await count_heartbeats(other_client)
    spy, other, concern = ReactionSpy.waiting(), ReactionSpy(), Concern(*range(1, 31))
    for version in range(1, 31):
        await publish(js, OPENED, aggregate_version=str(version))
    async with background(replica(client).work(concern.of(spy), asyncio.Event())):
        await eventually(lambda: len(concern.asked) == 2)
        async with background(replica(other_client).work(concern.of(other), asyncio.Event())):
            await eventually(lambda: len(heartbeats) == 30 and min(heartbeats.values()) > 2)  # each is kept, and again
            spy.go.set()
            await eventually(lambda: all_acknowledged(js))
    assert (len(spy.seen), other.seen) == (30, [])
