"""Local reactions: the replica that has stored an event runs them at once, and never twice, without the bus."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from contracts.messages import Event
from runtime.logging import get_logger

from eventing.bus import wire
from eventing.reactions.broadcasts import Act
from eventing.reactions.registration import Registration
from eventing.recording import Recorded

log = get_logger()

MAX_WAITING = 1_000
"""Events that wait for their local reactions; those beyond are not reacted to."""


class LocalReactions:
    """The local reactions of one replica, which run one after the other."""

    def __init__(self, registrations: Sequence[Registration], dependencies: Any, act: Act) -> None:
        self._by_event: dict[type[Event], list[Registration]] = {}
        for one in registrations:
            self._by_event.setdefault(one.event, []).append(one)
        self._dependencies, self._act = dependencies, act
        self._waiting = asyncio.Queue[tuple[Registration, Recorded[Any]]](MAX_WAITING)

    def take(self, stored: Sequence[Recorded[Any]]) -> None:
        """Have what the replica has just stored reacted to, unless too many events wait."""
        for recorded in stored:
            event: Event = recorded.event
            for registration in self._by_event.get(type(event), ()):
                with suppress(asyncio.QueueFull):  # local reactions are not guaranteed
                    self._waiting.put_nowait((registration, recorded))

    async def run(self) -> None:
        """Run the reactions until cancelled."""
        while True:
            registration, recorded = await self._waiting.get()
            try:
                if registration.when and registration.when(recorded, self._dependencies):
                    await self._act(registration.name, registration.react, wire.as_published(recorded))
            except Exception:
                log.exception("reaction failed", reaction=registration.name)
