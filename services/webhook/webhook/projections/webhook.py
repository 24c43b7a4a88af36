"""The read model of webhooks, and the table of their secrets."""

from typing import Any, assert_never

from contracts.webhook.webhook import (
    LifecycleEvent,
    SecretRotated,
    WebhookCreated,
    WebhookDeleted,
    WebhookDisabled,
    WebhookEnabled,
    WebhookSecretsSet,
    WebhookUpdated,
)
from eventing.database import Connection
from eventing.due import cancel_all
from eventing.recording import Recorded

from webhook.due import DUE_KINDS
from webhook.secret_tables import put_secrets

CREATE = """
    INSERT INTO webhooks
        (id, user_id, url, types, description, all_users, payload_version, since, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $8)"""
UPDATE = "UPDATE webhooks SET url = $2, types = $3, description = $4, updated_at = $5 WHERE id = $1"
ROTATED = "UPDATE webhooks SET rotated_at = $2, updated_at = $2 WHERE id = $1"
ENABLE = """
    UPDATE webhooks SET is_active = true, disabled_reason = NULL, disabled_at = NULL, failing_since = NULL,
        failures = 0, since = $2, updated_at = $2
    WHERE id = $1"""
DISABLE = "UPDATE webhooks SET is_active = false, disabled_reason = $2, disabled_at = $3, updated_at = $3 WHERE id = $1"
# Those that a deliverer or a projector holds are left out, so that nobody waits for another one in a circle. The
# deliverer looks at them later.
MOVE_LANES = """
    UPDATE lanes AS l SET next_at = coalesce($2, 'infinity'::timestamptz)
    FROM (SELECT webhook_id, resource_id FROM lanes WHERE webhook_id = $1 AND claim IS NULL FOR UPDATE SKIP LOCKED) AS f
    WHERE l.webhook_id = f.webhook_id AND l.resource_id = f.resource_id"""


async def project_lifecycle(event: LifecycleEvent, recorded: Recorded[Any], db: Connection) -> None:
    """Update the read model with one event of a webhook's life cycle."""
    id, at = recorded.id, recorded.at
    match event:
        case WebhookCreated():
            new = event.definition
            await db.execute(
                CREATE,
                id, event.user_id, new.url, new.types, new.description, new.all_users, new.payload_version, at,
            )  # fmt: skip
        case WebhookUpdated():
            changed = event.definition
            await db.execute(UPDATE, id, changed.url, changed.types, changed.description, at)
        case WebhookSecretsSet():
            await put_secrets(recorded, db)
        case SecretRotated():
            await db.execute(ROTATED, id, at)
        case WebhookEnabled():
            await db.execute(ENABLE, id, at)
            await db.execute(MOVE_LANES, id, at)
        case WebhookDisabled():
            await db.execute(DISABLE, id, event.reason, at)
            await db.execute(MOVE_LANES, id, None)
        case WebhookDeleted():
            await db.execute("DELETE FROM webhooks WHERE id = $1", id)
            await cancel_all(DUE_KINDS, id, db)
        case _:
            assert_never(event)
