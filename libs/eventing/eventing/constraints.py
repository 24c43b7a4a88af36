"""The constraints of a service: rules about several aggregates, checked in the transaction that stores an event."""

from collections.abc import Awaitable, Callable
from typing import Any, get_args, get_type_hints

from contracts.messages import Event

from eventing.database.deferred import DeferredConnection
from eventing.recording import Recorded

type Check = Callable[[Any, DeferredConnection], Awaitable[None]]


class Constraints:
    """The checks of a service, by the type of the events that they may refuse.

    Used as a decorator, which reads the types from the first parameter: `Recorded[RoleChanged | UserDisabled]`.
    """

    def __init__(self) -> None:
        self.by_event: dict[type[Event], list[Check]] = {}

    def __call__[C: Check](self, check: C) -> C:
        """Register a check. It raises Refusal, or Conflict if the command has to be decided again.

        Raises:
            TypeError: its first parameter is not annotated with recorded events.
        """
        of = get_args(next(iter(get_type_hints(check).values()), None))
        kinds = (get_args(of[0]) or of) if of else ()
        if not kinds or not all(isinstance(kind, type) and issubclass(kind, Event) for kind in kinds):
            raise TypeError(f"{check.__qualname__}: annotate the first parameter with Recorded[…] of events")
        for kind in kinds:
            self.by_event.setdefault(kind, []).append(check)
        return check

    async def check(self, recorded: Recorded[Event], db: DeferredConnection) -> None:
        """Check an event against the read models, which contain the earlier events of the append, but not this one.

        Raises:
            Refusal, Conflict: a check does not permit the event.
        """
        for check in self.by_event.get(type(recorded.event), ()):
            await check(recorded, db)
