"""Holding a message with heartbeats, and returning it to the bus."""

from typing import Any, cast

from eventing.bus.message_lease import MessageLease
from eventing.testing import eventually
from eventing.testing.messages import JarOpened
from eventing.testing.publishing import publish
from nats.js.api import AckPolicy, ConsumerConfig
from runtime.bus import Client
from runtime.bus.jetstream import JetStream


class Bus:
    """Counts heartbeats, and records the delays with which a message is returned."""

    reply = "a reply subject"

    def __init__(self) -> None:
        self.heartbeats, self.naks = 0, list[float | None]()

    async def request(self, *_: object, timeout: float) -> None:  # noqa: ASYNC109  the signature of the real client
        self.heartbeats += 1

    async def nak(self, delay: float | None) -> None:
        self.naks.append(delay)

    def hold(self, every: float, patience: float) -> MessageLease:
        return MessageLease(cast(Any, self), cast(Any, self), every, patience)


async def test_a_returned_message_is_nakked_with_its_delay() -> None:
    bus = Bus()
    hold = bus.hold(0.001, 3600)
    async with hold.heartbeats():
        await eventually(lambda: bus.heartbeats > 2)
        await hold.nak(7)
    assert bus.naks == [7]


async def test_a_message_that_another_replica_may_have_is_not_nakked() -> None:
    bus = Bus()
    hold = bus.hold(every=3600, patience=0.0)
    async with hold.heartbeats():
        await hold.nak()
    assert bus.naks == []


async def test_a_late_heartbeat_does_not_restore_a_lost_hold() -> None:
    bus = Bus()
    hold = bus.hold(every=0.05, patience=0.04)
    async with hold.heartbeats():
        await eventually(lambda: bus.heartbeats)
        await hold.nak()
    assert bus.naks == []


async def test_the_bus_confirms_a_heartbeat(client: Client, js: JetStream) -> None:
    await publish(js, JarOpened.example())
    await js.add_consumer("EVT_JAR", ConsumerConfig(durable_name="one", ack_policy=AckPolicy.EXPLICIT))
    [message] = await (await js.pull_subscribe_bind("one", "EVT_JAR")).fetch(1, timeout=60)
    hold = MessageLease(client, message, interval=0.05, ack_wait=60.0)
    async with hold.heartbeats():
        before = hold.last_heartbeat
        await eventually(lambda: hold.last_heartbeat > before)
