"""All messages about webhooks as a whole."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, PlainSerializer

from contracts.messages import Command, Event, KeysetWindow, Message, Page, Query, View
from contracts.samples import TIME, USER, WEBHOOK
from contracts.webhook.values import DisabledReason, WebhookSecrets
from contracts.wire import FIRST_PAYLOAD_VERSION

_DEFINITION: dict[str, Any] = {
    "url": "https://ops.example.com/agents",
    "types": ["session.run_*", "task.*"],
    "description": "On-call notifications",
    "all_users": False,
    "payload_version": FIRST_PAYLOAD_VERSION,
}


class WebhookDefinition(Message):
    """Where the requests go, and which events they report: those of the owner, or those of all users."""

    url: str = Field(description="URL that gets the requests.")
    types: list[str] = Field(
        description="Types of events that are sent, as in the query parameter `types` of event streams."
    )
    description: str = Field(default="", description="What the webhook is for.")
    all_users: bool = Field(default=False, description="Whether the events of all users are sent.")
    payload_version: int = Field(
        default=FIRST_PAYLOAD_VERSION, description="Version of the payloads; it never changes."
    )


class WebhookView(WebhookDefinition, View):
    """A webhook, without its secret."""

    sample = _DEFINITION | {
        "id": WEBHOOK,
        "user_id": USER,
        "is_active": True,
        "disabled_reason": None,
        "disabled_at": None,
        "failing_since": None,
        "rotated_at": None,
        "created_at": TIME,
        "updated_at": TIME,
    }

    id: UUID = Field(description="Id of the webhook.")
    user_id: UUID = Field(description="Id of the owner.")
    is_active: bool = Field(description="Whether events are sent.")
    disabled_reason: DisabledReason | None = Field(
        description="Why nothing is sent; null if it is. `requested`: the owner wanted it. `gone`: the receiver"
        " answered 410. `failing`: no request has succeeded for days. `backlog_full`: too many deliveries wait."
        " `owner_disabled`, `not_permitted`: the owner may no longer have it."
    )
    disabled_at: datetime | None = Field(description="Time when it was disabled; null if it is active.")
    failing_since: datetime | None = Field(
        description="Time of the first failed request since the last one that succeeded; null if there is none."
    )
    rotated_at: datetime | None = Field(description="Time of the last change of the secret; null if there is none.")
    created_at: datetime = Field(description="Time of creation.")
    updated_at: datetime = Field(description="Time of the last change.")


class NewWebhook(WebhookView):
    """A webhook with its secret, which is shown only now."""

    sample = WebhookView.sample | {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}

    secret: str = Field(repr=False, description="Secret that signs the requests; it is not shown again.")


class GetWebhook(Query[WebhookView]):
    """Return a webhook: an own one, or any for an admin."""

    subject = "qry.webhook.get"
    sample = {"webhook_id": WEBHOOK}

    webhook_id: UUID


class ListWebhooks(KeysetWindow, Query[Page[WebhookView]]):
    """Return the actor's webhooks (for an admin, all), newest first."""

    subject = "qry.webhook.list"
    sample = {"is_active": True}

    is_active: bool | None = None
    user_id: UUID | None = None


class CreateWebhook(Command[NewWebhook]):
    """Create a webhook, with a new secret. Only administrators may create one for the events of all users."""

    subject = "cmd.webhook.create"
    sample = {"webhook_id": WEBHOOK, "definition": _DEFINITION}

    webhook_id: UUID
    definition: WebhookDefinition


class WebhookChanges(Message):
    """The fields of a webhook to change: those that are set."""

    url: str | None = None
    types: list[str] | None = None
    description: str | None = None
    is_active: bool | None = None


def _only_set_fields(changes: WebhookChanges) -> dict[str, Any]:
    return changes.model_dump(mode="json", exclude_unset=True)


PartialWebhook = Annotated[WebhookChanges, PlainSerializer(_only_set_fields)]
"""Changes of which only those that are set are serialized, so that the receiver knows which ones they are."""


class ChangeWebhook(Command[WebhookView]):
    """Change the fields of a webhook that are set. One that is activated goes on with the deliveries that wait."""

    subject = "cmd.webhook.change"
    outcome_query = GetWebhook
    sample = {"webhook_id": WEBHOOK, "changes": {"is_active": False}}

    webhook_id: UUID
    changes: PartialWebhook


class RotateSecret(Command[NewWebhook]):
    """Replace the secret of a webhook; for a day, requests are signed with the previous one, too."""

    subject = "cmd.webhook.rotate_secret"
    sample = {"webhook_id": WEBHOOK}

    webhook_id: UUID


class DeleteWebhook(Command[None]):
    """Delete a webhook with its secret and its deliveries."""

    subject = "cmd.webhook.delete"
    sample = {"webhook_id": WEBHOOK}

    webhook_id: UUID


class DisableWebhook(Command[None]):
    """Disable a webhook that the service itself cannot or may not use any more."""

    subject = "cmd.webhook.disable"
    senders = ()
    sample = {"webhook_id": WEBHOOK, "reason": "failing"}

    webhook_id: UUID
    reason: DisabledReason


class WebhookCreated(Event):
    """A webhook was created."""

    subject = "evt.webhook.created"
    sample = {"user_id": USER, "definition": _DEFINITION}

    user_id: UUID
    definition: WebhookDefinition


class WebhookUpdated(Event):
    """The URL, the types or the description of a webhook were changed."""

    subject = "evt.webhook.updated"
    sample = {"definition": _DEFINITION}

    definition: WebhookDefinition


class WebhookSecretsSet(WebhookSecrets, Event):
    """The secrets of a webhook were set."""

    subject = "evt.webhook.secrets_set"
    secret = True
    sample = {"current": "whsec_c2VjcmV0"}


class SecretRotated(Event):
    """The secret of a webhook was replaced."""

    subject = "evt.webhook.secret_rotated"
    sample = {}


class WebhookEnabled(Event):
    """A webhook was activated again."""

    subject = "evt.webhook.enabled"
    sample = {}


class WebhookDisabled(Event):
    """A webhook was disabled: nothing is sent until it is activated again."""

    subject = "evt.webhook.disabled"
    sample = {"reason": "failing"}

    reason: DisabledReason


class WebhookDeleted(Event):
    """A webhook was deleted."""

    subject = "evt.webhook.deleted"
    sample = {"user_id": USER}

    user_id: UUID


LifecycleEvent = (
    WebhookCreated
    | WebhookUpdated
    | WebhookSecretsSet
    | SecretRotated
    | WebhookEnabled
    | WebhookDisabled
    | WebhookDeleted
)
