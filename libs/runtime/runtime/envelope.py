"""What every message on the bus carries besides its body. Its headers are written and read here alone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from contracts.messages import Actor

from runtime import clock, telemetry


@dataclass(frozen=True)
class Envelope:
    """Who sent a message, on whose behalf, because of what, and until when it matters."""

    message_id: UUID
    correlation_id: str
    causation_id: UUID | None = None
    actor: Actor | None = None
    traceparent: str | None = None
    deadline: datetime | None = None

    @classmethod
    def begin(cls, *, correlation_id: str | None = None, actor: Actor | None = None) -> "Envelope":
        """Start a new chain of messages, with the current trace."""
        message_id = clock.new_id()
        return cls(message_id, correlation_id or str(message_id), None, actor, telemetry.traceparent())

    def follow(self, message_id: UUID | None = None) -> "Envelope":
        """Address a message that this one caused; with an id of its own unless it has to have a certain one."""
        return Envelope(
            message_id or clock.new_id(),
            self.correlation_id,
            self.message_id,
            self.actor,
            telemetry.traceparent() or self.traceparent,
        )

    def within(self, seconds: float) -> "Envelope":
        """Give the message a deadline: after it, nobody waits for the answer."""
        return replace(self, deadline=clock.now() + timedelta(seconds=seconds))

    def on_behalf_of(self, actor: Actor) -> "Envelope":
        """Return the same message, sent on behalf of another actor."""
        return replace(self, actor=actor)

    @property
    def expired(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self.deadline is not None and clock.now() >= self.deadline

    def headers(self) -> dict[str, str]:
        """Write the headers. `ce-id` is the CloudEvents name; the others are ours and W3C's `traceparent`."""
        values = {
            "ce-id": str(self.message_id),
            "correlation-id": self.correlation_id,
            "causation-id": self.causation_id and str(self.causation_id),
            "actor": self.actor and f"{self.actor.user_id} {self.actor.role}",
            "traceparent": self.traceparent,
            "deadline": self.deadline and self.deadline.isoformat(),
        }
        return {name: value for name, value in values.items() if value}

    @classmethod
    def read(cls, headers: Mapping[str, str] | None) -> "Envelope":
        """Read the headers.

        Raises:
            ValueError: `ce-id` is missing, or a header cannot be understood.
        """
        h = headers or {}
        if "ce-id" not in h:
            raise ValueError("the message has no ce-id header")
        return cls(
            message_id=UUID(h["ce-id"]),
            correlation_id=h.get("correlation-id", h["ce-id"]),
            causation_id=UUID(h["causation-id"]) if "causation-id" in h else None,
            actor=_actor(h["actor"]) if "actor" in h else None,
            traceparent=h.get("traceparent"),
            deadline=_time(h["deadline"]) if "deadline" in h else None,
        )


def _time(header: str) -> datetime:
    time = datetime.fromisoformat(header)
    if time.tzinfo is None:
        raise ValueError("the deadline names no time zone")
    return time


def _actor(header: str) -> Actor:
    user_id, _, role = header.partition(" ")
    return Actor.model_validate({"user_id": user_id, "role": role})
