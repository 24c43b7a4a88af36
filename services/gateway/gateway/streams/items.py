"""What streams carry: events, words that are being said, and how a stream comes to its end."""

import json
from dataclasses import dataclass
from typing import Any, Literal, Self

from contracts.catalogue import events_of
from contracts.refusals import Code
from contracts.session import SessionEvent
from contracts.session.deltas import TextDelta
from contracts.session.session import SessionDeleted
from contracts.wire import event_name
from runtime.stream_reader import StreamMessage

from gateway.problems import EdgeCode, Problem
from gateway.streams.shown import shown

TEXT_DELTA = "text_delta"
DELETED = event_name(SessionDeleted.subject)
SESSION_EVENTS = frozenset(event_name(event.subject) for event in events_of(SessionEvent))

type Reason = Literal["slow", "expired"]


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    """A stored event, with its number in the stream of its service, read once for all who are shown it.

    `data` is the event itself, as it is shown, `text` the JSON of what all kinds of stream show alike.
    """

    service: str
    sequence: int
    name: str
    resource: str
    data: dict[str, Any]
    text: str

    @classmethod
    def read(cls, message: StreamMessage) -> Self:
        """Read a message whose subject is `evt.<service>.<name>.<owner>.<resource>`."""
        _, service, _, _, resource = message.subject.split(".")
        sequence, name, data = message.sequence, named(message), shown(json.loads(message.data))
        payload = {
            "type": name,
            "session_id": resource if name in SESSION_EVENTS else None,
            "resource_id": resource,
            "sequence": sequence,
            "at": message.headers.get("ce-time", "").replace("+00:00", "Z"),
            "data": data,
        }
        if name == DELETED:
            payload["status"] = "terminated"
        return cls(service, sequence, name, resource, data, json.dumps(payload, separators=(",", ":")))

    @property
    def payload(self) -> dict[str, Any]:
        """What clients are shown, in all kinds of stream alike."""
        return json.loads(self.text)

    @property
    def size(self) -> int:
        """How much it takes while it waits, about."""
        return len(self.text)


def named(message: StreamMessage) -> str:
    """Give the name of the event that a message is: `session.created`."""
    _, service, name, _, _ = message.subject.split(".")
    return f"{service}.{name}"


@dataclass(frozen=True, slots=True)
class Delta:
    """The next words of a session's agent; not stored."""

    session: str
    told: TextDelta

    @property
    def name(self) -> str:
        """What filters know it by."""
        return TEXT_DELTA

    @property
    def payload(self) -> dict[str, Any]:
        """What clients are shown."""
        return {"session_id": self.session, "run_id": str(self.told.run_id), "text": self.told.text}

    @property
    def size(self) -> int:
        """How much it takes while it waits, about."""
        return len(self.told.text)


@dataclass(frozen=True, slots=True)
class Beat:
    """Nothing for this client came, but other events did: from here on it can resume, however long it hears nothing."""

    resume_from: str

    @property
    def payload(self) -> dict[str, Any]:
        """What clients are shown."""
        return {"resume_from": self.resume_from}


@dataclass(frozen=True, slots=True)
class Gap:
    """The client did not keep up, or what it has not seen is gone: it resumes from here."""

    resume_from: str
    reason: Reason

    @property
    def payload(self) -> dict[str, Any]:
        """What clients are shown."""
        return {"resume_from": self.resume_from, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class End:
    """The server ends the stream."""

    code: Code | EdgeCode
    message: str

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """Give the end that a problem is, where it is too late for a response."""
        return cls(problem.code, problem.detail)

    @property
    def payload(self) -> dict[str, Any]:
        """What clients are shown."""
        return {"code": self.code, "message": self.message}


type Item = PublishedEvent | Delta
CLOSING = End(EdgeCode.UNAVAILABLE, "This server is about to stop. Connect again to resume.")
GONE = End(EdgeCode.UNAVAILABLE, "The client has left.")
"""Nobody is there to read it."""
