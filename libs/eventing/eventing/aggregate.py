"""The base class of aggregates, which decide, record events and fold them. Pure: no I/O, no clock, no new ids."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, get_args, get_origin
from uuid import UUID

from contracts.messages import Actor, Event
from contracts.refusals import Code


class Aggregate[F: Event](ABC):
    """A consistency boundary. A subclass names the union of its events: `class Session(Aggregate[SessionEvent])`.

    One with a single subject overrides `apply`. Others have a method `apply_…(self, event: …)` for each subject, or
    inherit it; each event is folded by the method that has it in the type of its parameter.

    Its state consists of the attributes that the class annotates (`eventing.store.state`). It must not grow with the
    history, and holds only what later decisions need.
    """

    events: ClassVar[dict[str, type[Event]]] = {}
    missing: ClassVar[Code]
    """The code of a refusal if the aggregate does not exist for the actor: X_NOT_FOUND."""
    folds: ClassVar[dict[type[Event], Callable[[Any, Any], None]]] = {}
    """The methods that fold the events, unless the class overrides `apply`."""
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
        """Derive the subjects of the events from the type argument, and the folds from the methods `apply_…`.

        Raises:
            TypeError: an event is folded by no method, or by several.
        """
        union = next(get_args(b)[0] for b in cls.__dict__["__orig_bases__"] if get_origin(b) is Aggregate)
        cls.events = {event.subject: event for event in members(union)}
        if cls.apply is Aggregate[Any].apply:
            methods = [getattr(cls, name) for name in dir(cls) if name.startswith("apply_")]
            folds = [(event, method) for method in methods for event in events_taken(method)]
            counted = Counter(event for event, _ in folds)
            if wrong := [event.__name__ for event in members(union) if counted[event] != 1]:
                raise TypeError(f"{cls.__name__} needs one method `apply_…` for each of {wrong}")
            cls.folds = dict(folds)

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

    def apply(self, event: F) -> None:
        """Fold one event into the state, by an exhaustive `match` without decisions, here or in a method `apply_…`."""
        self.folds[type(event)](self, event)


def members(union: Any) -> tuple[type[Event], ...]:
    """Return the classes in a union of events, or in a `type` alias of one, also those of its parts."""
    form = getattr(union, "__value__", union)
    return tuple(event for part in get_args(form) for event in members(part)) or (form,)


def events_taken(function: Callable[..., Any]) -> tuple[type[Event], ...]:
    """Return the events that a function takes, by the type of its parameter `event`."""
    return members(function.__annotations__["event"])
