"""Holding a message, and giving it back."""

from typing import Any, cast

from eventing.message_lease import MessageLease
from eventing.testing import eventually
from eventing.testing.messages import JarOpened
from eventing.testing.publishing import publish
from nats.js.api import AckPolicy, ConsumerConfig
from runtime.bus import Client
from runtime.jetstream import JetStream


class Bus:
    """Takes signs of life as the test wants, and a message that is given back."""

    reply = "a place for answers"

    def __init__(self) -> None:
        self.signs, self.given_back = 0, list[float | None]()

    async def request(self, *_: object, timeout: float) -> None:  # noqa: ASYNC109  as the real one has it
        self.signs += 1

    async def nak(self, delay: float | None) -> None:
        self.given_back.append(delay)

    def hold(self, every: float, patience: float) -> MessageLease:
        return MessageLease(cast(Any, self), cast(Any, self), every, patience)


async def test_what_is_held_comes_again_when_it_is_given_back() -> None:
    bus = Bus()
    hold = bus.hold(0.001, 3600)
    async with hold.heartbeats():
        await eventually(lambda: bus.signs > 2)
        await hold.nak(7)
    assert bus.given_back == [7]


async def test_what_another_may_have_by_now_is_not_given_back() -> None:
    bus = Bus()
    hold = bus.hold(every=3600, patience=0.0)
    async with hold.heartbeats():
        await hold.nak()
    assert bus.given_back == []


async def test_a_sign_of_life_that_came_too_late_does_not_bring_it_back() -> None:
    bus = Bus()
    hold = bus.hold(every=0.05, patience=0.04)
    async with hold.heartbeats():
        await eventually(lambda: bus.signs)
        await hold.nak()
    assert bus.given_back == []


async def test_the_bus_says_that_it_took_a_sign_of_life(client: Client, js: JetStream) -> None:
    await publish(js, JarOpened.example())
    await js.add_consumer("EVT_JAR", ConsumerConfig(durable_name="one", ack_policy=AckPolicy.EXPLICIT))
    [message] = await (await js.pull_subscribe_bind("one", "EVT_JAR")).fetch(1)
    hold = MessageLease(client, message, interval=0.05, ack_wait=60.0)
    async with hold.heartbeats():
        before = hold.last_heartbeat
        await eventually(lambda: hold.last_heartbeat > before)
