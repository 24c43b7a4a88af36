"""The read model of sessions as a whole."""

from typing import Any, assert_never

from contracts.session.session import (
    DepthIncreased,
    EnvironmentSet,
    LifecycleEvent,
    SessionChanged,
    SessionCreated,
    SessionDeleted,
    SessionPaused,
    SessionResumed,
)
from eventing.database import Connection
from eventing.recording import Recorded

from session.agent.environments import VARIABLES
from session.projections.cost import keep_unbilled
from session.projections.template import TEMPLATE_USES
from session.quotas.concurrency import update_waiting
from session.quotas.months import count_session
from session.session_row import WHOLE

CREATE = """
    INSERT INTO sessions (id, user_id, name, mode, status, sdk_options, metadata, created_at, updated_at)
    VALUES ($1, $2, $3, $4, 'created', $5, $6, $7, $7)"""
FAILED = "UPDATE sessions SET error_code = $2, error_detail = $3, updated_at = $4 WHERE id = $1"
RESUME = """
    UPDATE sessions SET updated_at = $2, status = CASE
        WHEN EXISTS (SELECT FROM approvals WHERE session_id = $1 AND status = 'pending') THEN 'waiting'
        WHEN EXISTS (SELECT FROM runs WHERE session_id = $1 AND requested_at IS NOT NULL AND ended_at IS NULL)
        THEN 'processing' WHEN started_at IS NULL THEN 'created'
        WHEN mode = 'non_interactive' THEN 'completed' ELSE 'active' END
    WHERE id = $1"""


async def project_lifecycle(event: LifecycleEvent, recorded: Recorded[Any], db: Connection) -> None:
    """Update the read model with one event of a session's life cycle."""
    id, at = recorded.id, recorded.at
    match event:
        case SessionCreated():
            await _create(event, recorded, db)
        case SessionChanged():
            await db.execute(
                "UPDATE sessions SET name = $2, sdk_options = $3, metadata = $4, updated_at = $5 WHERE id = $1",
                id, event.name, event.sdk_options.model_dump(mode="json"), event.metadata, at,
            )  # fmt: skip
        case EnvironmentSet():
            await VARIABLES.put(recorded, event.variables, db)
        case DepthIncreased():
            await db.execute("UPDATE sessions SET depth = $2, updated_at = $3 WHERE id = $1", id, event.depth, at)
        case SessionPaused():
            await db.execute("UPDATE sessions SET status = 'paused', updated_at = $2 WHERE id = $1", id, at)
            await update_waiting(recorded, db)
        case SessionResumed():
            await db.execute(RESUME, id, at)
            await update_waiting(recorded, db)
        case SessionDeleted():
            await keep_unbilled(recorded, db)
            await db.execute("DELETE FROM sessions WHERE id = $1", id)
        case _:
            assert_never(event)


async def _create(event: SessionCreated, recorded: Recorded[Any], db: Connection) -> None:
    await count_session(recorded, db)
    # Where the session is from is not written yet when its row is returned.
    await db.execute(
        CREATE if event.template_id else f"{CREATE} RETURNING {WHOLE}",
        recorded.id, event.user_id, event.name, event.mode, event.sdk_options.model_dump(mode="json"), event.metadata,
        recorded.at,
    )  # fmt: skip
    if event.template_id:
        await TEMPLATE_USES.add(event.template_id, db)
        await db.execute("INSERT INTO session_origins VALUES ($1, $2)", recorded.id, event.template_id)
