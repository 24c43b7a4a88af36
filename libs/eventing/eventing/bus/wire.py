"""Events on the bus, in the NATS binding of CloudEvents. The subject ends with the ids of owner and aggregate."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self
from uuid import UUID, uuid5

from contracts.messages import BusMessage, Event
from contracts.wire import to_work_subject
from runtime.bus.envelope import Envelope

from eventing.recording import Recorded, current

HEADROOM = 16 * 1024
"""Bytes of a message that are reserved for its headers."""
RESOURCE = "resource"
"""The header `<kind>/<id>` of an event about a resource within its aggregate."""


@dataclass(frozen=True)
class EventHeaders:
    """An event without its content: its kind, which this release need not know, and its key and metadata.

    `resource` is the kind and the id of the resource within the aggregate that it is about; None if it is about all.
    """

    subject: str
    id: UUID
    version: int
    at: datetime
    envelope: Envelope
    owner: UUID
    resource: tuple[str, UUID] | None = None

    @classmethod
    def of(cls, recorded: Recorded[Any]) -> Self:
        """Return the headers of a stored event, as consumers on the bus see them."""
        published = as_published(recorded)
        subject, envelope, resource = recorded.event.subject, published.envelope, _resource(recorded.event)
        return cls(subject, recorded.id, recorded.version, recorded.at, envelope, recorded.owner, resource)

    @classmethod
    def read(cls, headers: Mapping[str, str]) -> Self:
        """Return the headers of a message.

        Raises:
            KeyError, ValueError: the message is not an event.
        """
        envelope, owner = Envelope.from_headers(headers), UUID(headers["owner"])
        kind, _, id = headers.get(RESOURCE, "").partition("/")
        return cls(headers["ce-type"], *event_key(headers), envelope, owner, (kind, UUID(id)) if kind else None)


def subject(recorded: Recorded[Any]) -> str:
    """Return the subject: `evt.session.created.<owner's user id>.<session id>`."""
    return f"{recorded.event.subject}.{recorded.owner}.{recorded.id}"


def subjects(kind: type[Event]) -> str:
    """Return the filter for all events of a kind."""
    return f"{kind.subject}.*.*"


def work_subject(recorded: Recorded[Any]) -> str:
    """Return the subject in the work stream: `work.session.run_requested.<owner's user id>.<session id>`."""
    return to_work_subject(subject(recorded))


def work_subjects(kind: type[Event]) -> str:
    """Return the filter for the work that events of a kind request."""
    return to_work_subject(subjects(kind))


def service_of(kind: type[BusMessage]) -> str:
    """Return the name of the service that records events of a kind, or handles such commands and queries."""
    return kind.subject.split(".")[1]


def as_published(recorded: Recorded[Any]) -> Recorded[Any]:
    """Return a stored event as consumers on the bus see it: with an id of its own, caused by the command's message."""
    return replace(recorded, envelope=_published_envelope(recorded))


def _published_envelope(recorded: Recorded[Any]) -> Envelope:
    cause = recorded.envelope
    return replace(cause, message_id=_event_id(recorded), causation_id=cause.message_id, deadline=None)


def headers(recorded: Recorded[Any], service: str) -> dict[str, str]:
    """Return the headers: the event's own id, the message that caused it as its causation, and its key."""
    resource = _resource(recorded.event)
    own = {RESOURCE: f"{resource[0]}/{resource[1]}"} if resource else {}
    return (
        _published_envelope(recorded).headers()
        | own
        | {
            "ce-specversion": "1.0",
            "ce-type": recorded.event.subject,
            "ce-source": f"/{service}",
            "ce-subject": str(recorded.id),
            "owner": str(recorded.owner),
            "ce-time": recorded.at.isoformat(),
            "ce-datacontenttype": "application/json",
            # The header keeps its first name: messages of earlier releases are still on the streams.
            "fact-version": str(recorded.event.version),
            "aggregate-version": str(recorded.version),
        }
    )


def read(kind: type[Event], headers: Mapping[str, str], body: bytes) -> Recorded[Any]:
    """Return the event of a message.

    Raises:
        EventTooNew: only a newer release can read it.
        KeyError, ValueError: the message is not an event of this kind.
    """
    event = current(kind, int(headers["fact-version"]), body)
    return Recorded(
        UUID(headers["ce-subject"]),
        int(headers["aggregate-version"]),
        datetime.fromisoformat(headers["ce-time"]),
        event,
        Envelope.from_headers(headers),
        UUID(headers["owner"]),
    )


def event_key(headers: Mapping[str, str]) -> tuple[UUID, int, datetime]:
    """Return the key of a message's event: aggregate id, version, and when it was recorded.

    The time distinguishes it from another event of the same version, which may be recorded after a failover lost it.

    Raises:
        KeyError, ValueError: the message is not an event.
    """
    return UUID(headers["ce-subject"]), int(headers["aggregate-version"]), datetime.fromisoformat(headers["ce-time"])


def deduplication_id(headers: Mapping[str, str]) -> str:
    """Return the id by which the server drops the same event, and no other, if it is published again."""
    return f"{headers['ce-id']}@{headers['ce-time']}"


def _resource(event: Event) -> tuple[str, UUID] | None:
    return (event.resource[0], getattr(event, event.resource[1])) if event.resource else None


def _event_id(recorded: Recorded[Any]) -> UUID:
    return uuid5(recorded.id, str(recorded.version))
