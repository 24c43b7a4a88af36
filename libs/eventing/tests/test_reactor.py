"""The life of those who react: other replicas, long work, a bus that goes away, and the end."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from eventing import reactions as module
from eventing.reactions import Concurrency, Reactor, Registration
from eventing.streams import provision
from eventing.testing import background, eventually
from eventing.testing.messages import JarOpened
from eventing.testing.publishing import publish
from eventing.testing.reacting import ReactionSpy, replica, working
from nats.js.errors import NotFoundError
from runtime.bus import Client
from runtime.jetstream import JetStream, jetstream

OPENED = JarOpened.example()

type CutOff = Callable[[], Awaitable[None]]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DELAY", 0.01)
    monkeypatch.setattr(module, "FETCH_TIMEOUT", 0.2)


async def settled(js: JetStream) -> bool:
    """Whether nothing is left to act on."""
    try:
        info = await js.consumer_info("EVT_JAR", "shelf-open")
    except NotFoundError:
        return False
    return not info.num_pending and not info.num_ack_pending


async def test_heartbeats_keep_a_long_reaction_from_being_handed_to_another(
    client: Client, other_client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACK_WAIT", 0.4)
    monkeypatch.setattr(module, "HEARTBEAT", 0.05)
    spy, never = ReactionSpy.waiting(), asyncio.Event()
    await publish(js, OPENED)
    async with background(
        *(replica(one).work(spy.registration(concurrency=1), never) for one in (client, other_client))
    ):
        await eventually(lambda: spy.seen)
        await asyncio.sleep(1.2)  # three times as long as the bus waits for a sign of life
        spy.go.set()
        await eventually(lambda: settled(js))
    assert len(spy.seen) == 1


async def test_without_a_sign_of_life_an_event_is_handed_to_another(
    client: Client, other_client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACK_WAIT", 0.2)
    monkeypatch.setattr(module, "HEARTBEAT", 3600)
    spy = ReactionSpy.waiting()
    await publish(js, OPENED)
    async with working((replica(client), spy), (replica(other_client), spy)):
        await eventually(lambda: len(spy.seen) == 2)


async def test_an_event_that_comes_again_while_it_is_in_hand_is_acted_on_once(
    client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACK_WAIT", 0.1)
    monkeypatch.setattr(module, "HEARTBEAT", 3600)
    spy = ReactionSpy.waiting()
    await publish(js, OPENED)
    async with working((replica(client), spy)):
        await eventually(lambda: spy.seen)
        await eventually(lambda: _redelivered(js))
        spy.go.set()
        await eventually(lambda: settled(js))
    assert len(spy.seen) == 1


async def _redelivered(js: JetStream) -> bool:
    info = await js.consumer_info("EVT_JAR", "shelf-open")
    return (info.delivered.consumer_seq if info.delivered else 0) >= 3


async def test_being_cancelled_gives_the_event_to_another_at_once(
    client: Client, other_client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACK_WAIT", 3600)
    first, second = ReactionSpy.waiting(), ReactionSpy()
    await publish(js, OPENED)
    async with working((replica(client), first)):
        await eventually(lambda: first.seen)
    async with working((replica(other_client), second)):
        await eventually(lambda: second.seen)


async def test_draining_finishes_what_is_under_way_and_takes_nothing_new(client: Client, js: JetStream) -> None:
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


def two_of(dependencies: str) -> int:
    return dependencies.count("o")  # of "a tool"


@pytest.mark.parametrize("concurrency", [2, two_of])
async def test_no_more_are_under_way_than_allowed(client: Client, js: JetStream, concurrency: Concurrency) -> None:
    spy = ReactionSpy.waiting()
    for _ in range(5):
        await publish(js, OPENED)
    async with background(replica(client).work(spy.registration(concurrency), asyncio.Event())):
        await eventually(lambda: len(spy.seen) == 2)
        await asyncio.sleep(0.05)
        assert len(spy.seen) == 2
        spy.go.set()
        await eventually(lambda: len(spy.seen) == 5)


async def test_a_durable_consumer_that_was_deleted_is_made_again(client: Client, js: JetStream) -> None:
    spy = ReactionSpy()
    async with working((replica(client), spy)):
        await eventually(lambda: settled(js))
        await js.delete_consumer("EVT_JAR", "shelf-open")
        await publish(js, OPENED)
        await eventually(lambda: spy.seen)


async def test_a_stream_that_is_not_there_yet_is_waited_for(client: Client) -> None:
    spy = ReactionSpy()
    async with working((replica(client), spy)):
        await asyncio.sleep(0.05)
        await provision(js := jetstream(client), "EVT_JAR", ["evt.jar.>"])
        await publish(js, OPENED)
        await eventually(lambda: spy.seen)


async def test_a_bus_that_was_away_does_not_end_what_is_under_way(
    client: Client, js: JetStream, cut_off: CutOff
) -> None:
    spy = ReactionSpy.waiting()
    await publish(js, OPENED)
    async with working((replica(client), spy)):
        await eventually(lambda: spy.seen)
        await cut_off()
        spy.go.set()
        await eventually(lambda: settled(js))
    assert len(spy.seen) == 1


async def test_waiting_for_events_leaves_no_subscriptions_behind(
    client: Client, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FETCH_TIMEOUT", 0.01)
    made: list[Registration] = []

    class Counting(Reactor[str]):
        async def _create_consumer(self, registration: Registration) -> None:
            made.append(registration)
            await super()._create_consumer(registration)

    async with working((Counting("shelf", client, replica(client).dispatcher), ReactionSpy())):
        await eventually(lambda: len(made) > 10)
        assert len(client._subs) < 5  # pyright: ignore[reportPrivateUsage]
