"""The items of streams: events, pieces of text, heartbeats, gaps and ends."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from contracts.public_event import PublicEvent
from contracts.refusals import Code
from contracts.session.deltas import TextDelta
from contracts.wire import FIRST_PAYLOAD_VERSION, event_name
from runtime.bus.stream_reader import StreamMessage

from gateway.problems import EdgeCode, Problem

type Reason = Literal["slow", "expired"]


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    """An event with its sequence number in the stream of its service, read once for all clients.

    `text` is the JSON that all kinds of stream send.
    """

    event: PublicEvent
    sequence: int
    text: str

    @classmethod
    def read(cls, message: StreamMessage) -> Self:
        """Read a message whose subject is `evt.<service>.<name>.<owner>.<resource>`."""
        event = PublicEvent.read(message.subject, message.headers, message.data, message.sequence)
        event = event.in_version(FIRST_PAYLOAD_VERSION)
        return cls(event, message.sequence, to_json(event.payload()))

    @property
    def name(self) -> str:
        """The name that `types` selects it by."""
        return self.event.type

    @property
    def data(self) -> dict[str, Any]:
        """The fields of the event, as clients receive them."""
        return self.event.data

    @property
    def payload(self) -> dict[str, Any]:
        """The members that all kinds of stream send."""
        return json.loads(self.text)

    @property
    def size(self) -> int:
        """The approximate size in bytes while it is queued."""
        return len(self.text)


def to_json(payload: Mapping[str, Any]) -> str:
    """Return the JSON of what is sent, without spaces."""
    return json.dumps(payload, separators=(",", ":"))


def event_name_of(message: StreamMessage) -> str:
    """Return the name of the event in a message, like `session.created`."""
    return event_name(message.subject)


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the text that an agent is writing; never stored."""

    session: str
    delta: TextDelta

    @property
    def name(self) -> str:
        """The name that `types` selects it by."""
        return f"{self.delta.kind}_delta"

    @property
    def payload(self) -> dict[str, Any]:
        """The members that clients receive."""
        ids = {"run_id": str(self.delta.run_id), "message_id": self.delta.message_id and str(self.delta.message_id)}
        return {"session_id": self.session, **ids, "text": self.delta.text}

    @property
    def size(self) -> int:
        """The approximate size in bytes while it is queued."""
        return len(self.delta.text)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A new position to resume from, for a client that receives no events: otherwise its position would expire."""

    resume_from: str

    @property
    def payload(self) -> dict[str, Any]:
        """The members that clients receive."""
        return {"resume_from": self.resume_from}


@dataclass(frozen=True, slots=True)
class Gap:
    """The client was too slow, or events that it has not seen are no longer stored: it can resume from here."""

    resume_from: str
    reason: Reason

    @property
    def payload(self) -> dict[str, Any]:
        """The members that clients receive."""
        return {"resume_from": self.resume_from, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class End:
    """The server ends the stream."""

    code: Code | EdgeCode
    message: str

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """Return the end that reports a problem after the response has begun."""
        return cls(problem.code, problem.detail)

    @property
    def payload(self) -> dict[str, Any]:
        """The members that clients receive."""
        return {"code": self.code, "message": self.message}


type Item = PublishedEvent | Delta
SHUTTING_DOWN = End(EdgeCode.UNAVAILABLE, "The server is shutting down. Connect again to resume.")
GONE = End(EdgeCode.UNAVAILABLE, "The client has left.")
"""Never sent: there is no client left to read it."""
