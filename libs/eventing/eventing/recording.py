"""How a fact is stored and brought back: the only place that knows `eventsourcing`."""

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

__all__ = ["Change", "EventNewer", "FactMapper", "FactTooLarge", "FactUnreadable", "Recorded", "StoredEvent"]


LARGEST_FACT = 6 * 2**20
"""Bytes. With its headers it stays below the 8 MB that the bus carries (`max_payload`)."""

_NEWER = frozenset({"extra_forbidden", "literal_error", "enum", "union_tag_invalid"})
"""What is wrong with an event to which a newer release has added a field or a value."""


@dataclass(frozen=True)
class Recorded[F: Event]:
    """A fact in its place: the `version`th of the aggregate `id`, so since `at`, caused by the `envelope`'s message.

    `owner` is the user that the aggregate belongs to.
    """

    id: UUID
    version: int
    at: datetime
    fact: F
    envelope: Envelope
    owner: UUID


class Change(CanMutateAggregate[UUID]):
    """A fact as `eventsourcing` folds it: `mutate` checks that an aggregate's facts come whole and in order."""

    fact: Event

    def __init__(self, originator_id: UUID, originator_version: int, timestamp: datetime, fact: Event) -> None:
        vars(self).update(
            originator_id=originator_id, originator_version=originator_version, timestamp=timestamp, fact=fact
        )

    def fold(self, aggregate: Aggregate[Any]) -> None:
        """Fold it into the aggregate."""
        self.mutate(cast(Any, aggregate))

    def apply(self, aggregate: Aggregate[Event]) -> None:
        """Hand the fact to the aggregate's own fold."""
        aggregate.apply(self.fact)


class FactTooLarge(Exception):
    """A fact has too many bytes to be stored."""


class FactUnreadable(MapperDeserialisationError):
    """What is stored of a fact of a known kind and version cannot be read, by this release or a later one."""


class EventNewer(MapperDeserialisationError):
    """An event is of a kind or version, or has a field or a value, that only another, newer release knows."""


class FactMapper(Mapper[UUID]):
    """Stores facts as JSON. Their topic is `subject;version`, never a module path, so code can move."""

    def __init__(self) -> None:
        super().__init__(JSONTranscoder())

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        """Give the row of a change.

        Raises:
            FactTooLarge: the bus would not carry it, and so would carry nothing behind it either.
            FactUnreadable: nobody could read it back; JSON is written that is nested deeper than it is read.
        """
        fact = cast(Change, domain_event).fact
        state = fact.model_dump_json().encode()
        if len(state) > LARGEST_FACT:
            raise FactTooLarge(f"{fact.subject} has {len(state)} bytes; {LARGEST_FACT} is the most")
        topic = f"{fact.subject};{fact.version}"
        self.to_fact(topic, state, {fact.subject: type(fact)})
        return StoredEvent(domain_event.originator_id, domain_event.originator_version, topic, state)

    def to_fact(self, topic: str, state: bytes, facts: dict[str, type[Event]]) -> Event:
        """Give the fact of a row, in today's version.

        Raises:
            EventNewer: the topic is not one of `facts`, or only a newer release can read it.
            FactUnreadable: the state does not fit it.
        """
        subject, _, version = topic.partition(";")
        kind = facts.get(subject)
        if kind is None or not version.isdecimal() or not 1 <= int(version) <= kind.version:
            raise EventNewer(f"{topic} is not known here")
        try:
            return current(kind, int(version), state)
        except EventNewer:
            raise
        except (KeyError, ValueError) as error:
            raise FactUnreadable(f"{topic} cannot be read: {without_input(error)}") from error


def current(kind: type[Event], version: int, state: bytes) -> Event:
    """Read the JSON of a fact that was written as `version`, in today's version.

    Raises:
        EventNewer: the version is a later one, or all that does not fit are fields and values that are not known here.
        ValueError: it does not fit, or there never was this version.
    """
    if version > kind.version:
        raise EventNewer(f"{kind.subject} has version {version}, and {kind.version} is the newest known here")
    try:
        if version == kind.version:
            return kind.model_validate_json(state)
        old: dict[str, Any] = from_json(state)
        return kind.model_validate(kind.upcast(version, old))
    except ValidationError as error:
        if {one["type"] for one in error.errors(include_input=False, include_url=False)} <= _NEWER:
            raise EventNewer(f"{kind.subject} has what is not known here: {without_input(error)}") from None
        raise
