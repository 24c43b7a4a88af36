"""What is sent for an event: its public form, bounded, as the text that is signed."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.preview import preview
from contracts.public_event import PublicEvent
from contracts.webhook.values import MAX_PAYLOAD_BYTES, TEST_EVENT
from contracts.wire import FIRST_PAYLOAD_VERSION

RETENTION = timedelta(days=7)
"""How long payloads are kept, and deliveries that have ended."""
RETENTION_OF_DELETED = timedelta(days=1)
"""How long payloads about a deleted resource are kept, as its events are."""


def payload(event: PublicEvent, version: int = FIRST_PAYLOAD_VERSION) -> str:
    """Return the payload of an event in a version, of at most 256 KiB: a preview of the fields of a larger one."""
    event = event.in_version(version)
    text = _json(event.payload())
    size = len(text.encode())
    if size <= MAX_PAYLOAD_BYTES:
        return text
    return _json(event._replace(data=preview(_json(event.data), size)).payload())


def payload_of_test(webhook_id: UUID, owner: UUID, event_id: UUID, at: datetime) -> str:
    """Return the payload of a test, of the form of an event."""
    time, data = at.isoformat().replace("+00:00", "Z"), {"message": "This is a test of the webhook."}
    return _json(PublicEvent(str(event_id), TEST_EVENT, "webhook", owner, webhook_id, time, data).payload())


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
