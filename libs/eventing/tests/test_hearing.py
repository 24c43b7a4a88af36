"""Reactions that every replica has."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from eventing.recording import Recorded
from eventing.streams import provision
from eventing.testing import background, eventually
from eventing.testing.messages import JarOpened, MarbleAdded
from eventing.testing.publishing import publish
from eventing.testing.reacting import ReactionSpy, replica
from nats.js.errors import APIError
from runtime import ordered
from runtime.bus import Client
from runtime.forever import forever
from runtime.jetstream import JetStream, jetstream

OPENED = JarOpened.example()

type CutOff = Callable[[], Awaitable[None]]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordered, "FETCH_TIMEOUT", 0.2)


@asynccontextmanager
async def hearing(js: JetStream, *pairs: tuple[Client, ReactionSpy]) -> AsyncGenerator[None]:
    async with background(*(_hear(client, spy) for client, spy in pairs)):
        await eventually(lambda: _consumers(js, len(pairs)))
        yield


async def _hear(client: Client, spy: ReactionSpy) -> None:
    reactor, registration = replica(client), spy.registration()
    await forever("hearing", lambda: reactor.follow(registration))


async def _consumers(js: JetStream, number: int) -> bool:
    return (await js.stream_info("EVT_JAR")).state.consumer_count == number


def labels(spy: ReactionSpy) -> list[str]:
    return [recorded.event.label for recorded in spy.seen]


async def test_every_replica_hears_each_event(client: Client, other_client: Client, js: JetStream) -> None:
    one, two = ReactionSpy(), ReactionSpy()
    async with hearing(js, (client, one), (other_client, two)):
        sent = [await publish(js, OPENED) for _ in range(10)]
        await eventually(lambda: len(one.seen) + len(two.seen) == 20)
    assert one.seen == two.seen == sent


async def test_what_was_before_and_what_is_other_is_not_heard(client: Client, js: JetStream) -> None:
    spy = ReactionSpy()
    await publish(js, JarOpened(label="before"))
    async with hearing(js, (client, spy)):
        await publish(js, MarbleAdded.example())
        await publish(js, JarOpened(label="after"))
        await eventually(lambda: spy.seen)
    assert labels(spy) == ["after"]


async def test_a_reaction_that_fails_is_not_repeated_and_the_next_event_is_heard(client: Client, js: JetStream) -> None:
    async def fail(recorded: Recorded[Any], _: object) -> None:
        if recorded.event.label == "bad":
            raise LookupError

    spy = ReactionSpy(fail)
    async with hearing(js, (client, spy)):
        await publish(js, JarOpened(label="bad"))
        await publish(js, JarOpened(label="good"))
        await eventually(lambda: len(spy.seen) >= 2)
    assert labels(spy) == ["bad", "good"]


async def test_what_the_stream_refused_is_not_heard(client: Client, js: JetStream) -> None:
    spy = ReactionSpy()
    async with hearing(js, (client, spy)):
        with pytest.raises(APIError):
            await publish(js, JarOpened(label="refused"), Nats_Expected_Last_Sequence="7")
        await publish(js, JarOpened(label="taken"))
        await eventually(lambda: spy.seen)
    assert labels(spy) == ["taken"]


async def test_what_came_while_the_replica_was_cut_off_is_heard_once_and_nothing_twice(
    client: Client, js: JetStream, cut_off: CutOff
) -> None:
    spy = ReactionSpy()
    async with hearing(js, (client, spy)):
        await publish(js, JarOpened(label="one"))
        await eventually(lambda: spy.seen)
        await cut_off()
        await publish(js, JarOpened(label="two"))
        await eventually(lambda: len(spy.seen) >= 2)
    assert labels(spy) == ["one", "two"]


async def test_before_the_first_event_a_cut_off_replica_does_not_hear_the_past(
    client: Client, js: JetStream, cut_off: CutOff
) -> None:
    spy = ReactionSpy()
    await publish(js, JarOpened(label="past"))
    async with hearing(js, (client, spy)):
        await cut_off()
        await publish(js, JarOpened(label="now"))
        await eventually(lambda: spy.seen)
    assert labels(spy) == ["now"]


async def test_a_stream_that_is_not_there_yet_is_waited_for(client: Client) -> None:
    spy = ReactionSpy()
    async with _alone(client, spy):
        await asyncio.sleep(0.05)
        await provision(js := jetstream(client), "EVT_JAR", ["evt.jar.>"])
        await eventually(lambda: _consumers(js, 1))
        await publish(js, OPENED)
        await eventually(lambda: spy.seen)


def _alone(client: Client, spy: ReactionSpy) -> AbstractAsyncContextManager[object]:
    return background(_hear(client, spy))
