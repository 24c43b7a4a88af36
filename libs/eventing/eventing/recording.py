"""Stores events as JSON and reads them back: the only module that uses the library `eventsourcing`."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from contracts.messages import Event
from eventsourcing.domain import CanMutateAggregate, DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, MapperDeserialisationError, StoredEvent
from pydantic import ValidationError
from pydantic_core import from_json
from runtime.bus.envelope import Envelope

from eventing.aggregate import Aggregate
from eventing.error_text import describe_error

__all__ = ["Change", "EventMapper", "EventTooLarge", "EventTooNew", "EventUnreadable", "Recorded", "StoredEvent"]


SEALED = ";sealed"
"""The end of the topic of an event whose state is sealed: an earlier release does not know such topics, and waits."""
ERASED = ";erased"
"""The end of the topic of an event that was erased, because its aggregate was deleted: nothing is read from it."""

MAX_EVENT_BYTES = 6 * 2**20
"""With its headers, an event stays below the 8 MB that the bus accepts (`max_payload`)."""

_NEWER = frozenset({"extra_forbidden", "literal_error", "enum", "union_tag_invalid"})
"""The validation errors of an event to which a newer release has added a field or a value."""


@dataclass(frozen=True)
class Recorded[F: Event]:
    """A recorded event: the `version`th of the aggregate `id`, recorded `at`, caused by the message of the `envelope`.

    `owner` is the user that the aggregate belongs to. `data_key` seals secrets of the aggregate; only the projection of
    a secret event has it.
    """

    id: UUID
    version: int
    at: datetime
    event: F
    envelope: Envelope
    owner: UUID
    data_key: bytes | None = field(default=None, repr=False, compare=False)


class Change(CanMutateAggregate[UUID]):
    """An event as `eventsourcing` folds it: `mutate` checks that an aggregate's events are complete and in order."""

    event: Event

    def __init__(self, originator_id: UUID, originator_version: int, timestamp: datetime, event: Event) -> None:
        vars(self).update(
            originator_id=originator_id, originator_version=originator_version, timestamp=timestamp, event=event
        )

    def fold(self, aggregate: Aggregate[Any]) -> None:
        """Fold the event into the aggregate."""
        self.mutate(cast(Any, aggregate))

    def apply(self, aggregate: Aggregate[Event]) -> None:
        """Call the aggregate's own fold with the event."""
        aggregate.apply(self.event)


class EventTooLarge(Exception):
    """An event is too large to be stored."""


class EventUnreadable(MapperDeserialisationError):
    """The stored content of an event of a known kind and version cannot be read, by this release or a later one."""


class EventTooNew(MapperDeserialisationError):
    """An event has a kind, a version, a field or a value that only a newer release knows."""


class EventMapper(Mapper[UUID]):
    """Converts events to JSON. Their topic is `subject;version`, never a module path, so code can move."""

    def __init__(self) -> None:
        super().__init__(JSONTranscoder())

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        """Return the row of a change.

        Raises:
            EventTooLarge: the bus would refuse it, and the relay could publish nothing after it.
            EventUnreadable: it could not be read back: JSON can be written with deeper nesting than it can be read.
        """
        event = cast(Change, domain_event).event
        state = event.encoded()
        if len(state) > MAX_EVENT_BYTES:
            raise EventTooLarge(f"{event.subject} has {len(state)} bytes; the limit is {MAX_EVENT_BYTES}")
        topic = f"{event.subject};{event.version}"
        self.to_event(topic, state, {event.subject: type(event)})
        return StoredEvent(domain_event.originator_id, domain_event.originator_version, topic, state)

    def to_event(self, topic: str, state: bytes, events: dict[str, type[Event]]) -> Event:
        """Return the event of a row, in its present version; one whose state is sealed, without its secrets.

        Raises:
            EventTooNew: the topic is not one of `events`, or only a newer release can read it.
            EventUnreadable: the state does not match the event.
        """
        subject, _, version = topic.removesuffix(SEALED).partition(";")
        kind = events.get(subject)
        if kind is None or not version.isdecimal() or not 1 <= int(version) <= kind.version:
            raise EventTooNew(f"{topic} is not known here")
        if topic.endswith(SEALED):
            return kind()
        try:
            return current(kind, int(version), state)
        except EventTooNew:
            raise
        except (KeyError, ValueError) as error:
            raise EventUnreadable(f"{topic} cannot be read: {describe_error(error)}") from error


def event_place(id: UUID, version: int, topic: str) -> str:
    """Return the place for which the state of the `version`th event of an aggregate is sealed."""
    return f"{topic.removesuffix(SEALED)} at {version} of {id}"


def current(kind: type[Event], version: int, state: bytes) -> Event:
    """Return the event whose JSON was written in `version`, upcast to the present version.

    Raises:
        EventTooNew: the version is a later one, or the only errors are fields and values that are unknown here.
        ValueError: the JSON does not match the event, or the version never existed.
    """
    if version > kind.version:
        raise EventTooNew(f"{kind.subject};{version} is not known here: {kind.version} is the newest version")
    try:
        if version == kind.version:
            return kind.model_validate_json(state)
        old: dict[str, Any] = from_json(state)
        return kind.model_validate(kind.upcast(version, old))
    except ValidationError as error:
        if {each["type"] for each in error.errors(include_input=False, include_url=False)} <= _NEWER:
            raise EventTooNew(
                f"{kind.subject};{version} has unknown fields or values: {describe_error(error)}"
            ) from None
        raise
