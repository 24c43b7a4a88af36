"""What is sent for an event: its public form, bounded, as the text that is signed."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.preview import preview
from contracts.public_event import PublicEvent
from contracts.webhook.values import MAX_PAYLOAD_BYTES, TEST_EVENT

RETENTION = timedelta(days=7)
"""How long payloads are kept, and deliveries that have ended."""
RETENTION_OF_DELETED = timedelta(days=1)
"""How long payloads about a deleted resource are kept, as its events are."""


def payload(event: PublicEvent) -> str:
    """Return the payload of an event, of at most 256 KiB: the data of a larger one as a preview."""
    content = event.payload()
    text = _json(content)
    size = len(text.encode())
    if size <= MAX_PAYLOAD_BYTES:
        return text
    return _json(content | {"data": preview(_json(event.data), size)})


def payload_of_test(webhook_id: UUID, at: datetime) -> str:
    """Return the payload of a test, of the form of an event."""
    data = {"message": "This is a test of the webhook."}
    time = at.isoformat().replace("+00:00", "Z")
    about = {"type": TEST_EVENT, "session_id": None, "resource_id": str(webhook_id), "sequence": None}
    return _json(about | {"at": time, "data": data})


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
