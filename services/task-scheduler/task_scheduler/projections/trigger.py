"""The read model of triggers."""

from typing import Any, assert_never

from contracts.task_scheduler.trigger import (
    TriggerCreated,
    TriggerEvent,
    TriggerFired,
    TriggerRevoked,
    TriggerRotated,
    TriggerSecretsSet,
)
from eventing.database import Connection
from eventing.recording import Recorded


async def project_trigger(event: TriggerEvent, recorded: Recorded[Any], db: Connection) -> None:
    """Update the read model with one event of a trigger. It contains no secret."""
    at = recorded.at
    match event:
        case TriggerCreated():
            await db.execute(
                "INSERT INTO triggers (id, task_id, name, created_at) VALUES ($1, $2, $3, $4)",
                event.trigger_id, recorded.id, event.name, at,
            )  # fmt: skip
        case TriggerRotated():
            await db.execute("UPDATE triggers SET rotated_at = $2 WHERE id = $1", event.trigger_id, at)
        case TriggerFired():
            await db.execute("UPDATE triggers SET last_fired_at = $2 WHERE id = $1", event.trigger_id, at)
        case TriggerRevoked():
            await db.execute("DELETE FROM triggers WHERE id = $1", event.trigger_id)
        case TriggerSecretsSet():
            pass
        case _:
            assert_never(event)
