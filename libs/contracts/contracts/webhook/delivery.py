"""All messages about the deliveries of a webhook. Their attempts are no events: there are too many of them."""

from datetime import datetime
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.messages import Command, Event, KeysetWindow, Page, Query, View
from contracts.samples import DELIVERY, SESSION, TIME, WEBHOOK
from contracts.webhook.values import ATTEMPT, Attempt, DeliveryStatus
from contracts.webhook.webhook import GetWebhook, WebhookView


class DeliveryView(View):
    """The delivery of one event to a webhook, without its payload."""

    sample = {
        "id": DELIVERY,
        "webhook_id": WEBHOOK,
        "type": "session.run_completed",
        "resource_id": SESSION,
        "status": "delivered",
        "attempt_count": 1,
        "attempts": [ATTEMPT],
        "next_attempt_at": None,
        "created_at": TIME,
        "ended_at": TIME,
    }

    id: UUID = Field(description="Id of the delivery: the header `webhook-id` of each of its requests.")
    webhook_id: UUID = Field(description="Id of the webhook.")
    type: str = Field(description="Type of the event.")
    resource_id: UUID = Field(
        description="Id of the resource that the event is about; later events of it are sent after this one."
    )
    status: DeliveryStatus = Field(description="`pending` until an attempt succeeds, or all have failed.")
    attempt_count: int = Field(description="Number of attempts since the event happened, or was to be sent again.")
    attempts: list[Attempt] = Field(description="The last attempts, the oldest first.")
    next_attempt_at: datetime | None = Field(
        description="Time of the next attempt; null if there is none, or if an earlier event has to be sent first."
    )
    created_at: datetime = Field(description="Time of the event.")
    ended_at: datetime | None = Field(description="Time when it was delivered or failed; null while it is pending.")


class GetDelivery(Query[DeliveryView]):
    """Return one delivery of a webhook."""

    subject = "qry.webhook.get_delivery"
    sample = {"webhook_id": WEBHOOK, "delivery_id": DELIVERY}

    webhook_id: UUID
    delivery_id: UUID


class ListDeliveries(KeysetWindow, Query[Page[DeliveryView]]):
    """Return the deliveries of a webhook, newest first."""

    subject = "qry.webhook.list_deliveries"
    sample = {"webhook_id": WEBHOOK, "status": "failed"}

    webhook_id: UUID
    status: DeliveryStatus | None = None
    type: str | None = None


class SendTest(Command[DeliveryView]):
    """Send a test to a webhook, also to one that is disabled. There is one attempt."""

    subject = "cmd.webhook.send_test"
    outcome_query = GetDelivery
    sample = {"webhook_id": WEBHOOK, "delivery_id": DELIVERY}

    webhook_id: UUID
    delivery_id: UUID


class Redeliver(Command[DeliveryView]):
    """Send an event again, with the same id."""

    subject = "cmd.webhook.redeliver"
    outcome_query = GetDelivery
    sample = {"webhook_id": WEBHOOK, "delivery_id": DELIVERY}

    webhook_id: UUID
    delivery_id: UUID


class RedeliverSince(Command[WebhookView]):
    """Send all events since a time again, with the same ids: only those whose delivery failed, or all."""

    subject = "cmd.webhook.redeliver_since"
    outcome_query = GetWebhook
    sample = {"webhook_id": WEBHOOK, "since": TIME, "only_failed": True}

    webhook_id: UUID
    since: AwareDatetime
    only_failed: bool = False


class WebhookTested(Event):
    """A test of a webhook was requested."""

    subject = "evt.webhook.tested"
    sample = {"delivery_id": DELIVERY}

    delivery_id: UUID


class RedeliveryRequested(Event):
    """The redelivery of an event was requested."""

    subject = "evt.webhook.redelivery_requested"
    sample = {"delivery_id": DELIVERY}

    delivery_id: UUID


class RedeliverySinceRequested(Event):
    """The redelivery of all events since a time, or of those that failed, was requested."""

    subject = "evt.webhook.redelivery_since_requested"
    sample = {"since": TIME, "only_failed": False}

    since: datetime
    only_failed: bool


DeliveryEvent = WebhookTested | RedeliveryRequested | RedeliverySinceRequested
