"""The interface of event stores, of which `postgres` is the real one, and `memory` the one for tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from contracts.messages import Event
from runtime.bus.envelope import Envelope

from eventing.aggregate import Aggregate
from eventing.recording import Recorded

type AnyAggregate = Aggregate[Any]

type Cursor = tuple[int, int]
"""A position in the feed: transaction, and position within all events."""

START: Cursor = (0, 0)
END: Cursor = (2**62, 0)
"""A cursor behind all events."""


class Conflict(Exception):
    """The aggregate was changed since it was loaded: load it again and decide again."""


class DuplicateCommand(Exception):
    """This command was recorded before: there is nothing left to do."""


class AggregateNotFound(Exception):
    """No event is stored for this aggregate."""


class UniqueViolation(Exception):
    """A unique index of a read model was violated; `constraint` is its name."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


@dataclass(frozen=True)
class FeedEntry:
    """An event and its position in the feed."""

    cursor: Cursor
    recorded: Recorded[Any]


@dataclass(frozen=True)
class Unreadable:
    """An entry of the feed whose event no release can read, without its content, which may be secret."""

    cursor: Cursor
    id: UUID
    version: int
    topic: str
    reason: str


@dataclass(frozen=True)
class Erased:
    """An entry of the feed whose event was erased, because its aggregate was deleted."""

    cursor: Cursor


class EventStore(Protocol):
    """Stores the events of one service. A method that raises, as while the storage is unavailable, changes nothing.

    Secret events are stored sealed. Only `load` reads their secrets; other methods return them with empty values.
    """

    def now(self) -> datetime:
        """Return the present time, by a clock that agrees with that of the database within a few seconds."""
        ...

    async def load[A: AnyAggregate](self, kind: type[A], id: UUID, command_id: UUID | None = None) -> A:
        """Return an aggregate from its events, in order to handle the command with the id `command_id`, if given.

        One whose events were erased is `deleted`, and otherwise has the state of a new one.

        Raises:
            AggregateNotFound: there are no events.
            DuplicateCommand: that command was recorded before.
        """
        ...

    async def has_command(self, command_id: UUID) -> bool:
        """Return whether the command with this id was recorded."""
        ...

    async def version(self, ids: Sequence[UUID]) -> int | None:
        """Return the version of the first of the aggregates with these ids that exists; None if none does."""
        ...

    async def latest(self, kind: type[Event], id: UUID) -> Recorded[Any] | None:
        """Return the newest event of a kind that an aggregate has; None if it has none, or that one was erased.

        Raises:
            EventTooNew, EventUnreadable: it cannot be read.
        """
        ...

    async def save(self, aggregates: tuple[AnyAggregate, ...], envelope: Envelope) -> None:
        """Append the pending events of all the aggregates, and their read models, in one transaction or not at all.

        Raises:
            Conflict: one of the aggregates was changed since it was loaded, or a constraint requires to decide again.
            DuplicateCommand: the envelope's message was recorded before.
            Refusal: a constraint does not permit one of the events.
            UniqueViolation: a unique index of a read model was violated.
        """
        ...

    async def event(self, id: UUID, version: int) -> Recorded[Any] | None:
        """Return the `version`th event of the aggregate `id`; None if there is none, or it was erased.

        Raises:
            EventTooNew, EventUnreadable: it cannot be read.
        """
        ...

    async def feed(self, after: Cursor, limit: int) -> list[FeedEntry]:
        """Return up to `limit` events after a cursor. No event is ever added before one that was returned.

        Erased events are left out, so fewer are not always the last ones.
        """
        ...


def pending(aggregate: AnyAggregate, envelope: Envelope, at: datetime) -> list[Recorded[Any]]:
    """Return the events that an aggregate has recorded and that are not stored yet, with their versions."""
    return [
        Recorded(aggregate.id, aggregate.version + n, at, event, envelope, aggregate.owner)
        for n, event in enumerate(aggregate.pending, start=1)
    ]
