"""The messages that the bus delivers for a shared reaction: one at a time, or many if most of them lead to nothing."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from nats.aio.msg import Msg
from nats.errors import TimeoutError as NoMessage
from runtime.bus.jetstream import PullSubscription
from runtime.logging import get_logger

from eventing import metrics
from eventing.bus import wire
from eventing.bus.message_lease import kept
from eventing.reactions.offers import Process
from eventing.reactions.registration import Registration
from eventing.reactions.slots import Slots

log = get_logger()

FETCH_TIMEOUT = 5.0
GATHER_SECONDS, BATCH_SIZE = 0.05, 256
"""While events follow each other, how long and up to which number they are gathered. A single one does not wait."""
BATCH_TIMEOUT = 0.02
"""Seconds within which the bus has to deliver those that it has."""


class Deliveries:
    """Fetches the messages of one reaction, whose service has these `dependencies`."""

    def __init__(self, registration: Registration, messages: PullSubscription, dependencies: Any) -> None:
        self._registration, self._messages, self._dependencies = registration, messages, dependencies
        self._gathering = False

    async def next(self) -> list[Msg] | None:
        """Return the next messages to process; None if the bus has had none for some seconds.

        Others, whose events do not concern the reaction, are acknowledged.
        """
        gathering, self._gathering = self._gathering, False
        if gathering:
            await asyncio.sleep(GATHER_SECONDS)
        try:
            found = await self._messages.fetch(*((BATCH_SIZE, BATCH_TIMEOUT) if gathering else (1, FETCH_TIMEOUT)))
        except NoMessage:
            return [] if gathering else None
        if self._registration.concerning is None:
            return found
        self._gathering = True
        return await self._concerning(found)

    async def _concerning(self, messages: list[Msg]) -> list[Msg]:
        name, events = self._registration.name, dict[int, wire.EventHeaders]()
        for number, message in enumerate(messages):
            try:
                events[number] = wire.EventHeaders.read(message.headers or {})
            except (KeyError, ValueError):
                continue  # it is processed, and dead-lettered
        concerned = dict(zip(events, await self._ask([*events.values()]), strict=True))
        for number in (number for number, is_concerned in concerned.items() if not is_concerned):
            metrics.reacted.labels(name, "done").inc()
            await messages[number].ack()
        return [message for number, message in enumerate(messages) if concerned.get(number, True)]

    async def _ask(self, events: list[wire.EventHeaders]) -> list[bool]:
        if self._registration.concerning is None or not events:
            return [True] * len(events)
        try:
            return await self._registration.concerning(events, self._dependencies)
        except Exception as error:  # noqa: BLE001  the reaction itself meets the problem, and is retried
            log.warning("unknown which events concern a reaction", reaction=self._registration.name, error=repr(error))
            return [True] * len(events)


async def start_each(messages: Sequence[Msg], slots: Slots, process: Process, heartbeat: float) -> None:
    """Process each message, the first in the slot that was taken, which is free again if there is none.

    Those that wait for a slot are kept from redelivery.
    """
    waiting = deque(messages)
    if not waiting:
        slots.release()
        return
    slots.start(process(waiting.popleft()))
    if not waiting:
        return
    async with kept(waiting, heartbeat):
        while waiting:
            await slots.acquire()
            slots.start(process(waiting.popleft()))
