"""The read model of forks."""

from typing import Any, assert_never

from contracts.session.fork import ForkCompleted, ForkEvent, ForkFailed, SessionForked
from eventing.database import Connection
from eventing.recording import Recorded

from session.projections.session import FAILED
from session.quotas.storage import copy_storage, set_storage


async def project_fork(event: ForkEvent, recorded: Recorded[Any], db: Connection) -> None:
    """Update the read model with one event of a fork."""
    id, at = recorded.id, recorded.at
    match event:
        case SessionForked():
            await _copy_messages(event, recorded, db)
            await copy_storage(event.parent_session_id, recorded, db)
        case ForkCompleted():
            await db.execute("UPDATE sessions SET ready = true, updated_at = $2 WHERE id = $1", id, at)
            if event.size_bytes is not None:
                await set_storage(id, db, workspace_bytes=event.size_bytes)
        case ForkFailed():
            await db.execute("UPDATE sessions SET status = 'failed' WHERE id = $1", id)
            await set_storage(id, db)
            await db.execute(FAILED, id, event.error_code, event.error_detail, at)
        case _:
            assert_never(event)


async def _copy_messages(event: SessionForked, recorded: Recorded[Any], db: Connection) -> None:
    message_count = len(event.message_ids)
    await db.execute(
        "UPDATE sessions SET parent_session_id = $2, total_messages = $3, ready = false WHERE id = $1",
        recorded.id, event.parent_session_id, message_count,
    )  # fmt: skip
    await db.execute(
        "INSERT INTO messages (session_id, sequence_number, id, run_id, message_type, content, model, "
        "parent_tool_call_id, created_at, entry_id, incomplete) "
        "SELECT $1, sequence_number, id, run_id, message_type, content, model, parent_tool_call_id, created_at, "
        "entry_id, incomplete FROM messages WHERE session_id = $2 AND sequence_number <= $3",
        recorded.id, event.parent_session_id, message_count,
    )  # fmt: skip
