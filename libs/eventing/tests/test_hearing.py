"""Broadcast reactions: every replica receives each event."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from eventing.bus.streams import provision
from eventing.recording import Recorded
from eventing.testing import background, eventually
from eventing.testing.deliveries import RestartBus
from eventing.testing.messages import JarOpened, MarbleAdded
from eventing.testing.publishing import publish
from eventing.testing.reacting import ReactionSpy, replica
from nats.js.errors import APIError
from runtime.bus import Client
from runtime.bus.jetstream import JetStream, jetstream
from runtime.forever import forever

pytestmark = pytest.mark.usefixtures("fast_ordered_reads")

OPENED = JarOpened.example()


@asynccontextmanager
async def listening(js: JetStream, *pairs: tuple[Client, ReactionSpy]) -> AsyncGenerator[None]:
    async with background(*(_listen(client, spy) for client, spy in pairs)):
        await eventually(lambda: _has_consumers(js, len(pairs)))
        yield


async def _listen(client: Client, spy: ReactionSpy) -> None:
    reactor, registration = replica(client), spy.registration()
    await forever("listening", lambda: reactor.follow(registration))


async def _has_consumers(js: JetStream, number: int) -> bool:
    return (await js.stream_info("EVT_JAR")).state.consumer_count == number


def labels(spy: ReactionSpy) -> list[str]:
    return [recorded.event.label for recorded in spy.seen]


async def test_every_replica_receives_each_event(client: Client, other_client: Client, js: JetStream) -> None:
    one, two = ReactionSpy(), ReactionSpy()
    async with listening(js, (client, one), (other_client, two)):
        sent = [await publish(js, OPENED) for _ in range(10)]
        await eventually(lambda: len(one.seen) + len(two.seen) == 20)
    assert one.seen == two.seen == sent


async def test_earlier_events_and_events_of_other_kinds_are_not_received(client: Client, js: JetStream) -> None:
    spy = ReactionSpy()
    await publish(js, JarOpened(label="before"))
    async with listening(js, (client, spy)):
        await publish(js, MarbleAdded.example())
        await publish(js, JarOpened(label="after"))
        await eventually(lambda: spy.seen)
    assert labels(spy) == ["after"]


async def test_a_failed_reaction_is_not_retried_and_the_next_event_is_received(client: Client, js: JetStream) -> None:
    async def fail(recorded: Recorded[Any], _: object) -> None:
        if recorded.event.label == "bad":
            raise LookupError

    spy = ReactionSpy(fail)
    async with listening(js, (client, spy)):
        await publish(js, JarOpened(label="bad"))
        await publish(js, JarOpened(label="good"))
        await eventually(lambda: len(spy.seen) >= 2)
    assert labels(spy) == ["bad", "good"]


async def test_an_event_that_the_stream_rejected_is_not_received(client: Client, js: JetStream) -> None:
    spy = ReactionSpy()
    async with listening(js, (client, spy)):
        with pytest.raises(APIError):
            await publish(js, JarOpened(label="rejected"), Nats_Expected_Last_Sequence="7")
        await publish(js, JarOpened(label="accepted"))
        await eventually(lambda: spy.seen)
    assert labels(spy) == ["accepted"]


async def test_no_event_is_missed_or_repeated_after_an_outage_of_the_bus(
    client: Client, js: JetStream, restart_bus: RestartBus
) -> None:
    spy = ReactionSpy()
    async with listening(js, (client, spy)):
        await publish(js, JarOpened(label="one"))
        await eventually(lambda: spy.seen)
        await restart_bus()
        await publish(js, JarOpened(label="two"))
        await eventually(lambda: len(spy.seen) >= 2)
    assert labels(spy) == ["one", "two"]


async def test_an_outage_before_the_first_event_brings_no_earlier_events(
    client: Client, js: JetStream, restart_bus: RestartBus
) -> None:
    spy = ReactionSpy()
    await publish(js, JarOpened(label="past"))
    async with listening(js, (client, spy)):
        await restart_bus()
        await publish(js, JarOpened(label="now"))
        await eventually(lambda: spy.seen)
    assert labels(spy) == ["now"]


async def test_a_listener_waits_for_a_stream_that_does_not_exist_yet(client: Client) -> None:
    spy = ReactionSpy()
    async with background(_listen(client, spy)):
        await asyncio.sleep(0.05)
        await provision(js := jetstream(client), "EVT_JAR", ["evt.jar.>"])
        await eventually(lambda: _has_consumers(js, 1))
        await publish(js, OPENED)
        await eventually(lambda: spy.seen)
