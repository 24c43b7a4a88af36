"""Models of webhooks and their deliveries."""

from typing import Annotated, Any
from uuid import UUID

from contracts.samples import TIME, USER
from contracts.webhook.delivery import DeliveryView, ListDeliveries, RedeliverSince
from contracts.webhook.values import DeliveryStatus
from contracts.webhook.webhook import (
    ChangeWebhook,
    CreateWebhook,
    ListWebhooks,
    WebhookChanges,
    WebhookDefinition,
    WebhookView,
)
from contracts.webhook.webhook import NewWebhook as NewWebhookView
from contracts.wire import FIRST_PAYLOAD_VERSION
from pydantic import Field, StrictBool

from gateway import ids
from gateway.schemas.base import UNCHANGED, RequestBody, ResponseModel, SecretResponse, pattern_rule
from gateway.schemas.lists import KeysetWindow, ListPage
from gateway.schemas.times import Time

Url = Annotated[str, Field(description="URL that gets the requests; `http` or `https`, at a public address.")]
Types = Annotated[
    list[str],
    Field(description="Types of events to send, as in `types` of event streams: `session.*`; `*` stands for all."),
]
Description = Annotated[str, Field(description="What the webhook is for, at most 2,000 characters.")]

_BODY: dict[str, Any] = {"url": "https://ops.example.com/agents", "types": ["session.run_*", "task.*"]}


class NewWebhook(RequestBody):
    """A webhook to create."""

    sample = _BODY

    url: Url
    types: Types
    description: Description = ""
    all_users: Annotated[
        StrictBool, Field(description="Whether the events of all users are sent; for administrators only.")
    ] = False
    payload_version: Annotated[int, Field(strict=True, description="Version of the payloads; it never changes.")] = (
        FIRST_PAYLOAD_VERSION
    )

    def command(self) -> CreateWebhook:
        """Return the command, with a new id."""
        return CreateWebhook(webhook_id=ids.new_id(), definition=WebhookDefinition(**self.model_dump()))


class WebhookChange(RequestBody):
    """The fields of a webhook to change; omitted fields stay as they are."""

    sample = {"description": "On-call notifications", "is_active": True}

    url: Url = UNCHANGED
    types: Types = UNCHANGED
    description: Description = UNCHANGED
    is_active: Annotated[
        StrictBool, Field(description="Whether events are sent. One that is activated sends what waits, in its order.")
    ] = UNCHANGED

    def command(self, webhook_id: UUID) -> ChangeWebhook:
        """Return the command."""
        changes = WebhookChanges(**self.model_dump(exclude_unset=True))
        return ChangeWebhook(webhook_id=webhook_id, changes=changes)


class WebhookWindow(KeysetWindow):
    """Query parameters of the list of webhooks."""

    is_active: Annotated[
        bool | None, Field(description="Return only active, or only disabled, webhooks.", examples=[False])
    ] = None
    user_id: Annotated[UUID | None, Field(description="Return only webhooks of this user.", examples=[USER])] = None

    def query(self) -> ListWebhooks:
        """Return the query."""
        return ListWebhooks(**self.model_dump())


class Webhook(WebhookView, ResponseModel):
    """A webhook, without its secret."""


class WebhookWithSecret(NewWebhookView, SecretResponse):
    """A webhook with its secret, which is shown only once."""


class WebhookPage(ListPage[Webhook]):
    """Webhooks, newest first."""


class Redeliveries(RequestBody):
    """Which deliveries are repeated."""

    sample = {"since": TIME, "only_failed": True}

    since: Annotated[Time, Field(description="Events from this time on are sent again.")]
    only_failed: Annotated[StrictBool, Field(description="Whether only deliveries that failed are repeated.")] = False

    def command(self, webhook_id: UUID) -> RedeliverSince:
        """Return the command."""
        return RedeliverSince(webhook_id=webhook_id, since=self.since, only_failed=self.only_failed)


class DeliveryWindow(KeysetWindow):
    """Query parameters of the list of deliveries."""

    status: Annotated[
        DeliveryStatus | None, Field(description="Return only deliveries with this status.", examples=["failed"])
    ] = None
    type: Annotated[
        Annotated[
            str,
            Field(max_length=64, pattern=r"^[a-z_]+\.[a-z_]+$"),
            pattern_rule("Must be the name of an event, like session.run_completed"),
        ]
        | None,
        Field(description="Return only deliveries of this type.", examples=["session.run_completed"]),
    ] = None

    def query(self, webhook_id: UUID) -> ListDeliveries:
        """Return the query."""
        return ListDeliveries(webhook_id=webhook_id, **self.model_dump())


class Delivery(DeliveryView, ResponseModel):
    """The delivery of one event, with its last attempts."""


class DeliveryPage(ListPage[Delivery]):
    """Deliveries, newest first. `total` counts up to 10,000."""
