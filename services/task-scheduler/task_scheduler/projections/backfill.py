"""The read model of backfills."""

from typing import Any, assert_never

from contracts.task_scheduler.backfill import BackfillAdvanced, BackfillEnded, BackfillEvent, BackfillStarted
from eventing.database import Connection
from eventing.recording import Recorded


async def project_backfill(event: BackfillEvent, recorded: Recorded[Any], db: Connection) -> None:
    """Update the read model with one event of a backfill."""
    id, at = event.backfill_id, recorded.at
    match event:
        case BackfillStarted():
            await db.execute(
                "INSERT INTO backfills (id, task_id, status, from_at, to_at, total, created_at) "
                "VALUES ($1, $2, 'running', $3, $4, $5, $6)",
                id, recorded.id, event.from_at, event.to_at, len(event.ticks), at,
            )  # fmt: skip
        case BackfillAdvanced():
            await db.execute("UPDATE backfills SET done = started, started = started + 1 WHERE id = $1", id)
        case BackfillEnded():
            await db.execute(
                "UPDATE backfills SET status = $2, done = started, ended_at = $3 WHERE id = $1", id, event.status, at
            )
        case _:
            assert_never(event)
