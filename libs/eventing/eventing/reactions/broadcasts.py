"""Broadcast reactions: every replica runs them for each event that is published while it is up, and never twice."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from contracts.wire import event_stream
from nats.aio.msg import Msg
from runtime.bus import ordered
from runtime.bus.jetstream import JetStream
from runtime.logging import get_logger

from eventing.bus import wire
from eventing.bus.missing import stream_required
from eventing.reactions.registration import React, Registration
from eventing.recording import Recorded

log = get_logger()

type Act = Callable[[str, React, Recorded[Any]], Awaitable[None]]
"""Runs a reaction, by its name, for an event."""


class Broadcasts:
    """The broadcast reactions of one replica, each at its place in a stream."""

    def __init__(self, js: JetStream, act: Act) -> None:
        self.js, self.act = js, act
        self.followed: dict[str, int] = {}
        """The last message that each reaction has received."""

    async def follow(self, registration: Registration) -> None:
        """Run a reaction until cancelled or something fails; if called again, it continues where it was."""
        # Read from the stream, because a subscription to the subject would miss what is published while the bus is
        # unavailable, and would receive what the stream refused.
        stream = event_stream(wire.service_of(registration.event))
        if registration.name not in self.followed:
            with stream_required(stream):
                self.followed[registration.name] = (await self.js.stream_info(stream)).state.last_seq
        subjects = wire.subjects(registration.event)
        events = ordered.messages(self.js, stream, self.followed[registration.name], subjects)
        async with aclosing(events) as batches:
            async for batch in batches:
                for message in batch:
                    self.followed[registration.name] = message.metadata.sequence.stream
                    await self._react(registration, message)

    async def _react(self, registration: Registration, message: Msg) -> None:
        try:
            recorded = wire.read(registration.event, message.headers or {}, message.data)
            await self.act(registration.name, registration.react, recorded)
        except Exception:
            log.exception("reaction failed", reaction=registration.name)
