"""The projection of a service, put together from a function for each subject."""

from collections.abc import Awaitable, Callable
from typing import Any

from contracts.messages import Event

from eventing.aggregate import events_taken, members
from eventing.database import Connection
from eventing.recording import Recorded

type SubjectProjection = Callable[[Any, Recorded[Any], Connection], Awaitable[None]]


class Projections:
    """Projects each event by the functions that have it in the type of their parameter `event`, in their order."""

    def __init__(self, union: Any, *functions: SubjectProjection) -> None:
        """Put the functions for the events of a union together.

        Raises:
            TypeError: no function takes one of the events.
        """
        taken = [(function, events_taken(function)) for function in functions]
        self._by_event: dict[type[Event], list[SubjectProjection]] = {
            event: [function for function, events in taken if event in events] for event in members(union)
        }
        if missing := [event.__name__ for event, found in self._by_event.items() if not found]:
            raise TypeError(f"nothing projects {missing}")

    async def __call__(self, recorded: Recorded[Any], db: Connection) -> None:
        """Update the read models with one event."""
        for project in self._by_event[type(recorded.event)]:
            await project(recorded.event, recorded, db)
