"""What an event store does, whatever it stores in. `eventing.postgres` is the real one, `eventing.memory` its twin."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from contracts.messages import Event
from runtime.envelope import Envelope

from eventing.aggregate import Aggregate
from eventing.recording import Recorded

type AnyAggregate = Aggregate[Any]

type Cursor = tuple[int, int]
"""A place in the feed: transaction and position."""

START: Cursor = (0, 0)


class Conflict(Exception):
    """The aggregate moved on since it was loaded: load it again and decide again."""


class DuplicateCommand(Exception):
    """This very command was recorded before: there is nothing left to do."""


class AggregateNotFound(Exception):
    """No event is stored for this aggregate."""


class UniqueViolation(Exception):
    """A read model holds that another aggregate has this value; `constraint` is the name of the unique index."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


@dataclass(frozen=True)
class FeedEntry:
    """An event and its place in the feed."""

    cursor: Cursor
    recorded: Recorded[Any]


@dataclass(frozen=True)
class Unreadable:
    """A place in the feed whose event nobody can read: whose it is, and why. What it holds may be secret."""

    cursor: Cursor
    id: UUID
    version: int
    topic: str
    reason: str


class EventStore(Protocol):
    """Keeps the events of one service. Each method may raise when its storage is down; nothing is half done then."""

    async def load[A: AnyAggregate](self, kind: type[A], id: UUID, command_id: UUID | None = None) -> A:  # noqa: A002
        """Return an aggregate as its events made it, to be changed by the command with an id, if one is given.

        Raises:
            Missing: there are none.
            Repeated: this very command was recorded before.
        """
        ...

    async def latest(self, kind: type[Event], id: UUID) -> Recorded[Any] | None:  # noqa: A002  the field's name
        """Return the newest event of a kind that an aggregate has; None if it has none.

        Raises:
            MapperDeserialisationError: it cannot be read by this release.
        """
        ...

    async def save(self, aggregates: tuple[AnyAggregate, ...], envelope: Envelope) -> None:
        """Append the pending events of all the aggregates, and their read models, in one transaction or not at all.

        Raises:
            Conflict: one of the aggregates moved on.
            Repeated: the envelope's message was recorded before.
            Taken: a unique index of a read model refused it.
        """
        ...

    async def event(self, id: UUID, version: int) -> Recorded[Any] | None:  # noqa: A002  the field's name
        """Return the `version`th event of the aggregate `id`; None when there is none.

        Raises:
            EventTooNew, FactUnreadable: it is there and cannot be read.
        """
        ...

    async def feed(self, after: Cursor, limit: int) -> list[FeedEntry]:
        """Give events in the order of the feed: no event ever appears behind one that was given."""
        ...


def pending(aggregate: AnyAggregate, envelope: Envelope, at: datetime) -> list[Recorded[Any]]:
    """Number the events that an aggregate has recorded and that are not stored yet."""
    return [
        Recorded(aggregate.id, aggregate.version + n, at, event, envelope, aggregate.owner)
        for n, event in enumerate(aggregate.pending, start=1)
    ]
