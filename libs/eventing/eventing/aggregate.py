"""The base class of aggregates, which decide, record events and fold them. Pure: no I/O, no clock, no new ids."""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any, ClassVar, get_args, get_origin
from uuid import UUID

from contracts.messages import Actor, Event
from contracts.refusals import Code


class Aggregate[F: Event](ABC):
    """A consistency boundary. A subclass names the union of its events: `class Session(Aggregate[SessionEvent])`.

    Its state consists of the attributes that the class annotates (`eventing.store.state`). It must not grow with the
    history, and holds only what later decisions need.
    """

    events: ClassVar[dict[str, type[Event]]] = {}
    missing: ClassVar[Code]
    """The code of a refusal if the aggregate does not exist for the actor: X_NOT_FOUND."""
    secrets: ClassVar[dict[str, type[Event]]] = {}
    """Attributes that no snapshot may contain, each with the event that sets its whole value."""

    id: UUID
    version: int
    modified_on: datetime | None
    deleted: bool

    def __init__(self, id: UUID) -> None:
        self.id, self.version, self.modified_on = id, 0, None
        self.pending: list[F] = []
        self.deleted = False

    def __init_subclass__(cls) -> None:
        """Derive the subjects of the events from the type argument."""
        union = next(get_args(b)[0] for b in cls.__dict__["__orig_bases__"] if get_origin(b) is Aggregate)
        cls.events = {event.subject: event for event in members(union)}

    def record(self, event: F) -> None:
        """Record an event: fold it now, and store it with the next save."""
        self.apply(event)
        self.pending.append(event)

    def mark_committed(self) -> None:
        """Mark the pending events as stored."""
        self.version += len(self.pending)
        self.pending.clear()

    @property
    @abstractmethod
    def owner(self) -> UUID:
        """The user that it belongs to, known from its first event on, who may read its events."""

    def visible_to(self, actor: Actor) -> bool:
        """Return whether it exists for an actor: by default for its owner and for admins."""
        return actor.may_see(self.owner)

    @abstractmethod
    def apply(self, event: F) -> None:
        """Fold one event into the state: an exhaustive `match` without decisions."""


def members(union: Any) -> tuple[type[Event], ...]:
    """Return the classes in a union of events, or in a `type` alias of one."""
    form = getattr(union, "__value__", union)
    return get_args(form) or (form,)
