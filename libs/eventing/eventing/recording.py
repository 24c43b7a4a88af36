"""How an event is stored and brought back: the only place that knows `eventsourcing`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from contracts.messages import Event
from eventsourcing.domain import CanMutateAggregate, DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, MapperDeserialisationError, StoredEvent
from pydantic import ValidationError
from pydantic_core import from_json
from runtime.envelope import Envelope

from eventing.aggregate import Aggregate
from eventing.faults import without_input

__all__ = ["Change", "EventMapper", "EventTooLarge", "EventTooNew", "EventUnreadable", "Recorded", "StoredEvent"]


MAX_EVENT_BYTES = 6 * 2**20
"""Bytes. With its headers it stays below the 8 MB that the bus carries (`max_payload`)."""

_NEWER = frozenset({"extra_forbidden", "literal_error", "enum", "union_tag_invalid"})
"""What is wrong with an event to which a newer release has added a field or a value."""


@dataclass(frozen=True)
class Recorded[F: Event]:
    """An event in its place: the `version`th of the aggregate `id`, so since `at`, caused by the `envelope`'s message.

    `owner` is the user that the aggregate belongs to.
    """

    id: UUID
    version: int
    at: datetime
    event: F
    envelope: Envelope
    owner: UUID


class Change(CanMutateAggregate[UUID]):
    """An event as `eventsourcing` folds it: `mutate` checks that an aggregate's events come whole and in order."""

    event: Event

    def __init__(self, originator_id: UUID, originator_version: int, timestamp: datetime, event: Event) -> None:
        vars(self).update(
            originator_id=originator_id, originator_version=originator_version, timestamp=timestamp, event=event
        )

    def fold(self, aggregate: Aggregate[Any]) -> None:
        """Fold it into the aggregate."""
        self.mutate(cast(Any, aggregate))

    def apply(self, aggregate: Aggregate[Event]) -> None:
        """Hand the event to the aggregate's own fold."""
        aggregate.apply(self.event)


class EventTooLarge(Exception):
    """An event has too many bytes to be stored."""


class EventUnreadable(MapperDeserialisationError):
    """What is stored of an event of a known kind and version cannot be read, by this release or a later one."""


class EventTooNew(MapperDeserialisationError):
    """An event is of a kind or version, or has a field or a value, that only another, newer release knows."""


class EventMapper(Mapper[UUID]):
    """Stores events as JSON. Their topic is `subject;version`, never a module path, so code can move."""

    def __init__(self) -> None:
        super().__init__(JSONTranscoder())

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        """Give the row of a change.

        Raises:
            FactTooLarge: the bus would not carry it, and so would carry nothing behind it either.
            FactUnreadable: nobody could read it back; JSON is written that is nested deeper than it is read.
        """
        event = cast(Change, domain_event).event
        state = event.model_dump_json().encode()
        if len(state) > MAX_EVENT_BYTES:
            raise EventTooLarge(f"{event.subject} has {len(state)} bytes; {MAX_EVENT_BYTES} is the most")
        topic = f"{event.subject};{event.version}"
        self.to_event(topic, state, {event.subject: type(event)})
        return StoredEvent(domain_event.originator_id, domain_event.originator_version, topic, state)

    def to_event(self, topic: str, state: bytes, events: dict[str, type[Event]]) -> Event:
        """Give the event of a row, in today's version.

        Raises:
            EventTooNew: the topic is not one of `events`, or only a newer release can read it.
            FactUnreadable: the state does not fit it.
        """
        subject, _, version = topic.partition(";")
        kind = events.get(subject)
        if kind is None or not version.isdecimal() or not 1 <= int(version) <= kind.version:
            raise EventTooNew(f"{topic} is not known here")
        try:
            return current(kind, int(version), state)
        except EventTooNew:
            raise
        except (KeyError, ValueError) as error:
            raise EventUnreadable(f"{topic} cannot be read: {without_input(error)}") from error


def current(kind: type[Event], version: int, state: bytes) -> Event:
    """Read the JSON of an event that was written as `version`, in today's version.

    Raises:
        EventTooNew: the version is a later one, or all that does not fit are fields and values that are not known here.
        ValueError: it does not fit, or there never was this version.
    """
    if version > kind.version:
        raise EventTooNew(f"{kind.subject};{version} is not known here: {kind.version} is the newest version")
    try:
        if version == kind.version:
            return kind.model_validate_json(state)
        old: dict[str, Any] = from_json(state)
        return kind.model_validate(kind.upcast(version, old))
    except ValidationError as error:
        if {one["type"] for one in error.errors(include_input=False, include_url=False)} <= _NEWER:
            raise EventTooNew(f"{kind.subject};{version} has what is not known here: {without_input(error)}") from None
        raise
