"""What streams carry: facts, words that are being said, and how a stream comes to its end."""

import json
from dataclasses import dataclass
from typing import Any, Self, get_args

from contracts.refusals import Code
from contracts.session.deltas import TextDelta
from contracts.session.events import SessionFact
from nats.aio.msg import Msg

from gateway.problems import EdgeCode, Problem

TEXT_DELTA = "text_delta"
SESSION_FACTS = frozenset(fact.subject.removeprefix("evt.") for fact in get_args(SessionFact.__value__))


@dataclass(frozen=True, slots=True)
class Fact:
    """A stored fact, with its number in the stream of its service; `body` is its JSON, passed on as it is."""

    service: str
    sequence: int
    name: str
    resource: str
    at: str
    body: bytes

    @classmethod
    def read(cls, message: Msg) -> Self:
        """Read a message whose subject is `evt.<service>.<name>.<owner>.<resource>`."""
        _, service, name, _, resource = message.subject.split(".")
        at = (message.headers or {}).get("ce-time", "").replace("+00:00", "Z")
        return cls(service, message.metadata.sequence.stream, f"{service}.{name}", resource, at, message.data)

    @property
    def payload(self) -> dict[str, Any]:
        """What clients are shown, in all kinds of stream alike."""
        return {
            "type": self.name,
            "session_id": self.resource if self.name in SESSION_FACTS else None,
            "resource_id": self.resource,
            "sequence": self.sequence,
            "at": self.at,
            "data": json.loads(self.body),
        }


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


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to what the client of a socket sent."""

    name: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Gap:
    """The client did not keep up, or asked for what is gone: it resumes from here."""

    resume_from: str

    @property
    def payload(self) -> dict[str, Any]:
        """What clients are shown."""
        return {"resume_from": self.resume_from}


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


type Item = Fact | Delta | Reply
CLOSING = End(EdgeCode.UNAVAILABLE, "This server is about to stop. Connect again to resume.")
GONE = End(EdgeCode.UNAVAILABLE, "The client has left.")
"""Nobody is there to read it."""
