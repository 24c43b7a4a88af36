"""Metadata of a message on the bus. Its headers are written and read only here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from uuid import UUID

from contracts.messages import Actor, Credential

from runtime import clock, telemetry

MAX_KNOWN = 256
"""The addresses, users and credentials that are not parsed again: the same ones are in most messages."""


@dataclass(frozen=True)
class Envelope:
    """The ids of a message and of its cause, the user on whose behalf it is sent, its trace, and its deadline.

    If a request of a client caused it, `client_address` is the network address of the client, and `credential` what it
    authenticated with.

    A command is refused unless the aggregate that it changes has one of the `expected_versions`, if there are any. The
    answer to a message that `wants_version` has the version of the aggregate that it changes or names.
    """

    message_id: UUID
    correlation_id: str
    causation_id: UUID | None = None
    actor: Actor | None = None
    traceparent: str | None = None
    deadline: datetime | None = None
    client_address: str | None = None
    credential: Credential | None = None
    expected_versions: tuple[int, ...] = ()
    wants_version: bool = False

    @classmethod
    def begin(
        cls,
        *,
        correlation_id: str | None = None,
        actor: Actor | None = None,
        client_address: str | None = None,
        credential: Credential | None = None,
        message_id: UUID | None = None,
    ) -> "Envelope":
        """Return the envelope of a message that starts a new chain, in the current trace.

        The message has a new id unless one is passed.
        """
        message_id, trace = message_id or clock.new_id(), telemetry.traceparent()
        correlation_id = correlation_id or str(message_id)
        return cls(message_id, correlation_id, None, actor, trace, None, client_address, credential)

    def follow(self, message_id: UUID | None = None) -> "Envelope":
        """Return the envelope of a message that this one causes, with a new id unless one is passed.

        What this message expects or wants of its own answer does not count for the other one.
        """
        return replace(
            self,
            message_id=message_id or clock.new_id(),
            causation_id=self.message_id,
            traceparent=telemetry.traceparent() or self.traceparent,
            deadline=None,
            expected_versions=(),
            wants_version=False,
        )

    def within(self, seconds: float) -> "Envelope":
        """Return the envelope, in the current trace, with a deadline after which the answer is no longer needed."""
        trace = telemetry.traceparent() or self.traceparent
        return replace(self, deadline=clock.now() + timedelta(seconds=seconds), traceparent=trace)

    def on_behalf_of(self, actor: Actor) -> "Envelope":
        """Return the envelope with another actor, who has not authenticated."""
        return replace(self, actor=actor, credential=None)

    def without_client(self) -> "Envelope":
        """Return the envelope for work that a service does by itself later, not a client by its request."""
        return replace(self, client_address=None, credential=None)

    @property
    def expired(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and clock.now() >= self.deadline

    def headers(self) -> dict[str, str]:
        """Return the headers; `ce-id` is from CloudEvents, `traceparent` from W3C Trace Context, the others ours."""
        values = {
            "ce-id": str(self.message_id),
            "correlation-id": self.correlation_id,
            "causation-id": self.causation_id and str(self.causation_id),
            "actor": self.actor and f"{self.actor.user_id} {self.actor.role}",
            "traceparent": self.traceparent,
            "deadline": self.deadline and self.deadline.isoformat(),
            "client-address": self.client_address,
            "credential": self.credential and f"{self.credential.kind} {self.credential.id}",
            "expected-versions": " ".join(map(str, self.expected_versions)),
            "wants-version": "true" if self.wants_version else "",
        }
        return {name: value for name, value in values.items() if value}

    @classmethod
    def from_headers(cls, headers: Mapping[str, str] | None) -> "Envelope":
        """Return the envelope that the headers describe.

        Raises:
            ValueError: `ce-id` is missing, or a header is not valid.
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
            client_address=plain_address(h["client-address"]) if "client-address" in h else None,
            credential=_credential(h["credential"]) if "credential" in h else None,
            expected_versions=tuple(map(int, h.get("expected-versions", "").split())),
            wants_version=h.get("wants-version") == "true",
        )


@lru_cache(MAX_KNOWN)
def plain_address(text: str) -> str:
    """Return an IP address in its usual form, without the zone of an IPv6 address, which may be any text.

    Raises:
        ValueError: it is not an IP address.
    """
    address = ip_address(text)
    return str(IPv6Address(int(address)) if isinstance(address, IPv6Address) else address)


def _time(header: str) -> datetime:
    time = datetime.fromisoformat(header)
    if time.tzinfo is None:
        raise ValueError("the deadline has no time zone")
    return time


@lru_cache(MAX_KNOWN)
def _actor(header: str) -> Actor:
    user_id, _, role = header.partition(" ")
    return Actor.model_validate({"user_id": user_id, "role": role})


@lru_cache(MAX_KNOWN)
def _credential(header: str) -> Credential:
    kind, _, id = header.partition(" ")
    return Credential.model_validate({"kind": kind, "id": id})
