"""Actors, definitions and events that the tests share."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from contracts.messages import Actor
from contracts.public_event import PublicEvent
from contracts.samples import USER
from contracts.webhook.webhook import WebhookDefinition
from runtime import clock
from runtime.clock import new_id

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
OWNER = Actor(user_id=UUID(USER), role="user")
STRANGER = Actor(user_id=UUID(int=7), role="user")
ADMIN = Actor(user_id=UUID(int=8), role="admin")
URL = "https://ops.example.com/agents"


def definition(**fields: Any) -> WebhookDefinition:
    """Return the definition of a webhook for the events of sessions."""
    return WebhookDefinition.model_validate({"url": URL, "types": ["session.*"], **fields})


def event(
    name: str = "session.run_started",
    owner: Actor = OWNER,
    resource: UUID | None = None,
    at: datetime | None = None,
    **data: Any,
) -> PublicEvent:
    """Return an event, by default one that happens now, of a session of its own."""
    service, _, kind = name.partition(".")
    subject = f"evt.{service}.{kind}.{owner.user_id}.{resource or new_id()}"
    return PublicEvent.of(subject, str(new_id()), (at or clock.now()).isoformat(), data, 1)
