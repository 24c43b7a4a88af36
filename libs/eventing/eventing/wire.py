"""A fact on the bus, in CloudEvents' NATS binding: its subject, then its owner's and aggregate's ids."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from contracts.messages import Event
from runtime.envelope import Envelope

from eventing.recording import Recorded, current

HEADROOM = 16 * 1024
"""What the headers of a message may take of the size that the bus allows."""


def stream_of(service: str) -> str:
    """Give the name of the stream that holds a service's facts."""
    return f"EVT_{service.upper()}"


def subject(recorded: Recorded[Any]) -> str:
    """Give the subject: `evt.session.created.<owner's user id>.<session id>`."""
    return f"{recorded.fact.subject}.{recorded.owner}.{recorded.id}"


def subjects(kind: type[Event]) -> str:
    """Give the filter for all facts of a kind."""
    return f"{kind.subject}.*.*"


def headers(recorded: Recorded[Any], service: str) -> dict[str, str]:
    """Give the headers: the fact's own id, and the message that caused it as its causation."""
    cause = recorded.envelope
    own = replace(cause, message_id=_fact_id(recorded), causation_id=cause.message_id, deadline=None)
    return own.headers() | {
        "ce-specversion": "1.0",
        "ce-type": recorded.fact.subject,
        "ce-source": f"/{service}",
        "ce-subject": str(recorded.id),
        "owner": str(recorded.owner),
        "ce-time": recorded.at.isoformat(),
        "ce-datacontenttype": "application/json",
        "fact-version": str(recorded.fact.version),
        "aggregate-version": str(recorded.version),
    }


def read(kind: type[Event], head: Mapping[str, str], body: bytes) -> Recorded[Any]:
    """Read a fact back.

    Raises:
        KeyError, ValueError: it is not a fact of this kind.
    """
    fact = current(kind, int(head["fact-version"]), body)
    return Recorded(
        UUID(head["ce-subject"]),
        int(head["aggregate-version"]),
        datetime.fromisoformat(head["ce-time"]),
        fact,
        Envelope.read(head),
        UUID(head["owner"]),
    )


def _fact_id(recorded: Recorded[Any]) -> UUID:
    return uuid5(recorded.id, str(recorded.version))
