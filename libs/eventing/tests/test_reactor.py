"""Reactors: heartbeats, concurrency, outages of the bus, and shutting down."""

import asyncio
from typing import Any, Literal

import pytest
from eventing import reactions as module
from eventing.bus.streams import provision
from eventing.reactions import Concurrency, Reaction, Reactor, Registration, deliveries
from eventing.recording import Recorded
from eventing.testing import background, eventually
from eventing.testing.deliveries import (
    CONSUMER,
    RestartBus,
    all_acknowledged,
    count_heartbeats,
    delivery_count,
    is_created,
)
from eventing.testing.messages import JarOpened
from eventing.testing.publishing import publish
from eventing.testing.reacting import ReactionSpy, replica, working
from runtime.bus import Client
from runtime.bus.jetstream import JetStream, jetstream

pytestmark = pytest.mark.usefixtures("fast_reactions")

OPENED = JarOpened.example()


async def test_a_long_reaction_sends_heartbeats(
    client: Client, other_client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0.05)
    spy, heartbeats = ReactionSpy.waiting(), await count_heartbeats(other_client)
    await publish(js, OPENED)
    async with working((replica(client), spy)):
        await eventually(lambda: heartbeats.total() > 2)
        spy.go.set()
        await eventually(lambda: all_acknowledged(js))
    assert (len(spy.seen), len(heartbeats)) == (1, 1)


@pytest.mark.long
async def test_heartbeats_prevent_the_redelivery_of_a_long_reaction(
    client: Client, other_client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACK_WAIT", ack_wait := 10.0)
    monkeypatch.setattr(module, "HEARTBEAT", 0.05)
    spy, never = ReactionSpy.waiting(), asyncio.Event()
    await publish(js, OPENED)
    async with background(
        *(replica(one).work(spy.registration(concurrency=1), never) for one in (client, other_client))
    ):
        await eventually(lambda: spy.seen)
        await asyncio.sleep(ack_wait * 1.1)  # longer than the bus waits for a heartbeat
        spy.go.set()
        await eventually(lambda: all_acknowledged(js))
    assert len(spy.seen) == 1


async def test_an_event_without_heartbeats_is_redelivered_to_another_replica(
    client: Client, other_client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACK_WAIT", 0.2)
    monkeypatch.setattr(module, "HEARTBEAT", 3600)
    spy = ReactionSpy.waiting()
    await publish(js, OPENED)
    async with working((replica(client), spy), (replica(other_client), spy)):
        await eventually(lambda: len(spy.seen) == 2)


async def test_an_event_redelivered_while_it_is_in_progress_is_processed_once(
    client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACK_WAIT", 0.1)
    monkeypatch.setattr(module, "HEARTBEAT", 3600)
    spy = ReactionSpy.waiting()
    await publish(js, OPENED)
    async with working((replica(client), spy)):
        await eventually(lambda: spy.seen)
        await eventually(lambda: _has_deliveries(js, 3))
        assert len(spy.seen) == 1  # now: the bus may deliver it again while it is being acknowledged
        spy.go.set()
        await eventually(lambda: all_acknowledged(js))


async def _has_deliveries(js: JetStream, number: int) -> bool:
    return await delivery_count(js) >= number


class ObservedEvent(asyncio.Event):
    """An event that records whether it is waited for."""

    waited = False

    async def wait(self) -> Literal[True]:
        self.waited = True
        return await super().wait()


async def test_a_reaction_waits_until_due_times_have_caught_up(
    client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_YIELD_SECONDS", 3600)
    reactor, spy, caught_up = replica(client), ReactionSpy(), ObservedEvent()
    reactor.due_times_caught_up = caught_up
    await publish(js, OPENED)
    async with working((reactor, spy)):
        await eventually(lambda: caught_up.waited)
        assert spy.seen == []
        caught_up.set()
        await eventually(lambda: spy.seen)


async def test_a_reaction_proceeds_if_due_times_never_catch_up(client: Client, js: JetStream) -> None:
    reactor, spy = replica(client), ReactionSpy()
    reactor.due_times_caught_up = asyncio.Event()
    await publish(js, OPENED)
    async with working((reactor, spy)):
        await eventually(lambda: spy.seen)


async def test_a_cancelled_replica_releases_its_event_immediately(
    client: Client, other_client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACK_WAIT", 3600)
    first, second = ReactionSpy.waiting(), ReactionSpy()
    await publish(js, OPENED)
    async with working((replica(client), first)):
        await eventually(lambda: first.seen)
    async with working((replica(other_client), second)):
        await eventually(lambda: second.seen)


async def test_a_reaction_whose_wait_is_cancelled_releases_its_event_immediately(
    client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACK_WAIT", 3600)
    wait = asyncio.get_running_loop().create_future()

    async def react(_: Recorded[Any], _reaction: Reaction[Any]) -> None:
        if not wait.cancelled():
            await wait

    spy = ReactionSpy(react)
    await publish(js, OPENED)
    async with working((replica(client), spy)):
        await eventually(lambda: spy.seen)
        wait.cancel()
        await eventually(lambda: len(spy.seen) == 2)


async def test_draining_finishes_reactions_in_progress_and_starts_none(client: Client, js: JetStream) -> None:
    spy, draining = ReactionSpy.waiting(), asyncio.Event()
    await publish(js, OPENED)
    async with background(replica(client).work(spy.registration(), draining)) as [work]:
        await eventually(lambda: spy.seen)
        draining.set()
        await asyncio.sleep(0)
        await publish(js, OPENED)
        assert not work.done()
        spy.go.set()
        await eventually(work.done)
    assert len(spy.seen) == 1


def count_o(dependencies: str) -> int:
    return dependencies.count("o")  # the letters o in "a tool": 2


@pytest.mark.parametrize("concurrency", [2, count_o])
async def test_no_more_reactions_run_at_the_same_time_than_allowed(
    client: Client, js: JetStream, concurrency: Concurrency
) -> None:
    spy = ReactionSpy.waiting()
    for _ in range(5):
        await publish(js, OPENED)
    async with background(replica(client).work(spy.registration(concurrency), asyncio.Event())):
        await eventually(lambda: len(spy.seen) == 2)
        await asyncio.sleep(0.05)
        assert len(spy.seen) == 2
        spy.go.set()
        await eventually(lambda: len(spy.seen) == 5)


async def test_a_deleted_durable_consumer_is_recreated(client: Client, js: JetStream) -> None:
    spy = ReactionSpy()
    async with working((replica(client), spy)):
        await eventually(lambda: is_created(js))
        await js.delete_consumer("EVT_JAR", CONSUMER)
        await publish(js, OPENED)
        await eventually(lambda: spy.seen)


async def test_a_reactor_waits_for_a_stream_that_does_not_exist_yet(client: Client) -> None:
    spy = ReactionSpy()
    async with working((replica(client), spy)):
        await asyncio.sleep(0.05)
        await provision(js := jetstream(client), "EVT_JAR", ["evt.jar.>"])
        await publish(js, OPENED)
        await eventually(lambda: spy.seen)


async def test_an_outage_of_the_bus_does_not_end_reactions_in_progress(
    client: Client, js: JetStream, restart_bus: RestartBus
) -> None:
    spy = ReactionSpy.waiting()
    await publish(js, OPENED)
    async with working((replica(client), spy)):
        await eventually(lambda: spy.seen)
        await restart_bus()
        spy.go.set()
        await eventually(lambda: all_acknowledged(js))
    assert len(spy.seen) == 1


async def test_waiting_for_events_leaks_no_subscriptions(
    client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "FETCH_TIMEOUT", 0.01)
    created: list[Registration] = []

    class Counting(Reactor[str]):
        async def _create_consumer(self, registration: Registration) -> None:
            created.append(registration)
            await super()._create_consumer(registration)

    async with working((Counting("shelf", client, replica(client).dispatcher), ReactionSpy())):
        await eventually(lambda: len(created) > 10)
        assert len(client._subs) < 5  # pyright: ignore[reportPrivateUsage]
