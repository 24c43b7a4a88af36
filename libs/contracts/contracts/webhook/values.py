"""Value types of webhooks."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from contracts.messages import Message
from contracts.samples import TIME

type DisabledReason = Literal["requested", "gone", "failing", "backlog_full", "owner_disabled", "not_permitted"]
"""Why a webhook is disabled: its owner requested it; its receiver answered 410, or has failed for days; too many
deliveries wait; its owner was disabled; or its owner, of a webhook for all users' events, is no administrator."""
type DeliveryStatus = Literal["pending", "delivered", "failed"]

MAX_WEBHOOKS = 20
"""Per user; administrators have as many as they want."""
MAX_PAYLOAD_BYTES = 256 * 1024
TEST_EVENT = "webhook.test"
"""The type of the payload of a test delivery, which is no event."""


class WebhookSecrets(Message):
    """The secret that signs the requests of a webhook, and the previous one while it signs them, too."""

    current: str = Field(default="", repr=False)
    previous: str | None = Field(default=None, repr=False)
    previous_until: datetime | None = None


class Attempt(Message):
    """One attempt to deliver an event."""

    at: datetime = Field(description="Time of the request.")
    status_code: int | None = Field(description="HTTP status of the answer; null if there was none.")
    latency_ms: float = Field(description="Milliseconds until the end of the answer, or until the failure.")
    error: str | None = Field(description="Why the attempt failed; null if it succeeded.")
    answer: str = Field(description="Beginning of the body of the answer.")


ATTEMPT: dict[str, Any] = {"at": TIME, "status_code": 200, "latency_ms": 42.0, "error": None, "answer": "ok"}
