"""The table of the secrets of webhooks."""

from datetime import datetime
from uuid import UUID

from contracts.webhook.values import WebhookSecrets
from contracts.webhook.webhook import WebhookSecretsSet
from eventing.database import Connection, Database
from eventing.recording import Recorded
from eventing.secrets.sealed_values import Secrets

SECRETS = Secrets("webhook_secrets", owner="webhook_id", values="secrets")
SECRET_TABLES = (SECRETS,)
_JSON = "json"
"""The name under which the table holds a whole model."""


async def put_secrets(recorded: Recorded[WebhookSecretsSet], connection: Connection) -> None:
    """Store the secrets of a webhook."""
    await SECRETS.put(recorded, {_JSON: recorded.event.model_dump_json()}, connection)


async def signing_secrets(webhook_id: UUID, database: Database, now: datetime) -> list[str]:
    """Return the secrets that sign requests at a time, the current one first; none if the webhook was deleted."""
    stored = (await SECRETS.get(webhook_id, database)).get(_JSON)
    secrets = WebhookSecrets.model_validate_json(stored) if stored else WebhookSecrets()
    previous = secrets.previous if secrets.previous_until and now < secrets.previous_until else None
    return [secret for secret in (secrets.current, previous) if secret]
