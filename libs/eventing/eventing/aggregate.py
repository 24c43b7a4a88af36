"""The base of every aggregate: decides, records events, folds them. Pure: no I/O, no clock, no ids of its own."""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any, ClassVar, get_args, get_origin
from uuid import UUID

from contracts.messages import Actor, Event
from contracts.refusals import Code


class Aggregate[F: Event](ABC):
    """A consistency boundary. A subclass names the union of its events: `class Session(Aggregate[SessionFact])`.

    Its state is what the class annotates (`eventing.state`), and must not grow with its history: it holds what later
    decisions need, and no more.
    """

    events: ClassVar[dict[str, type[Event]]] = {}
    missing: ClassVar[Code]
    """The code X_NOT_FOUND with which one is refused that does not exist for the actor."""
    secrets: ClassVar[dict[str, type[Event]]] = {}
    """Attributes that no snapshot may hold, each with the event that sets it as a whole."""

    id: UUID
    version: int
    modified_on: datetime | None
    deleted: bool

    def __init__(self, id: UUID) -> None:  # noqa: A002  the field's name
        self.id, self.version, self.modified_on = id, 0, None
        self.pending: list[F] = []
        self.deleted = False

    def __init_subclass__(cls) -> None:
        """Learn the subjects of the events from the type argument."""
        union = next(get_args(b)[0] for b in cls.__dict__["__orig_bases__"] if get_origin(b) is Aggregate)
        cls.events = {event.subject: event for event in members(union)}

    def record(self, event: F) -> None:
        """Let an event be so: folded now, stored with the next save."""
        self.apply(event)
        self.pending.append(event)

    def settle(self) -> None:
        """Note that what was pending is stored."""
        self.version += len(self.pending)
        self.pending.clear()

    @property
    @abstractmethod
    def owner(self) -> UUID:
        """The user that it belongs to, known from its first event on: who may follow its events."""

    def visible_to(self, actor: Actor) -> bool:
        """Return whether it exists for an actor: for its owner, and for an admin."""
        return actor.may_see(self.owner)

    @abstractmethod
    def apply(self, event: F) -> None:
        """Fold one event into the state: an exhaustive `match`, which decides nothing."""


def members(union: Any) -> tuple[type[Event], ...]:
    """Give the classes of a union of events, or of a `type` alias of one."""
    form = getattr(union, "__value__", union)
    return get_args(form) or (form,)
