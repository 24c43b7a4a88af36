"""An event on the bus, in CloudEvents' NATS binding: its subject, then its owner's and aggregate's ids."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from contracts.messages import BusMessage, Event
from contracts.wire import to_work_subject
from runtime.envelope import Envelope

from eventing.recording import Recorded, current

HEADROOM = 16 * 1024
"""What the headers of a message may take of the size that the bus allows."""


def subject(recorded: Recorded[Any]) -> str:
    """Give the subject: `evt.session.created.<owner's user id>.<session id>`."""
    return f"{recorded.event.subject}.{recorded.owner}.{recorded.id}"


def subjects(kind: type[Event]) -> str:
    """Give the filter for all events of a kind."""
    return f"{kind.subject}.*.*"


def work_subject(recorded: Recorded[Any]) -> str:
    """Return the subject in the work stream: `work.session.run_requested.<owner's user id>.<session id>`."""
    return to_work_subject(subject(recorded))


def work_subjects(kind: type[Event]) -> str:
    """Return the filter for all work that events of a kind make."""
    return to_work_subject(subjects(kind))


def service_of(kind: type[BusMessage]) -> str:
    """Return the name of the service that records events of a kind, or handles such commands and queries."""
    return kind.subject.split(".")[1]


def published(recorded: Recorded[Any]) -> Recorded[Any]:
    """Return a stored event as its readers on the bus see it: with an id of its own, caused by what its cause sent."""
    cause = recorded.envelope
    own = replace(cause, message_id=_event_id(recorded), causation_id=cause.message_id, deadline=None)
    return replace(recorded, envelope=own)


def headers(recorded: Recorded[Any], service: str) -> dict[str, str]:
    """Give the headers: the event's own id, and the message that caused it as its causation."""
    return published(recorded).envelope.headers() | {
        "ce-specversion": "1.0",
        "ce-type": recorded.event.subject,
        "ce-source": f"/{service}",
        "ce-subject": str(recorded.id),
        "owner": str(recorded.owner),
        "ce-time": recorded.at.isoformat(),
        "ce-datacontenttype": "application/json",
        "fact-version": str(recorded.event.version),
        "aggregate-version": str(recorded.version),
    }


def read(kind: type[Event], head: Mapping[str, str], body: bytes) -> Recorded[Any]:
    """Read an event back.

    Raises:
        EventTooNew: only a newer release can read it.
        KeyError, ValueError: it is not an event of this kind.
    """
    event = current(kind, int(head["fact-version"]), body)
    return Recorded(
        UUID(head["ce-subject"]),
        int(head["aggregate-version"]),
        datetime.fromisoformat(head["ce-time"]),
        event,
        Envelope.read(head),
        UUID(head["owner"]),
    )


def stands_at(head: Mapping[str, str]) -> tuple[UUID, int, datetime]:
    """Return which event a message is: of which aggregate, of which version, and when it was recorded.

    The time tells it from another event in the same place: a failover may lose one, and the aggregate go on.

    Raises:
        KeyError, ValueError: the message is no event.
    """
    return UUID(head["ce-subject"]), int(head["aggregate-version"]), datetime.fromisoformat(head["ce-time"])


def deduplication_id(head: Mapping[str, str]) -> str:
    """Return the id by which the server refuses the same event, and no other, when it is published again."""
    return f"{head['ce-id']}@{head['ce-time']}"


def _event_id(recorded: Recorded[Any]) -> UUID:
    return uuid5(recorded.id, str(recorded.version))
