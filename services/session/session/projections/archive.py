"""The read model of archives."""

from typing import Any, assert_never

from contracts.session.archive import (
    ArchiveEvent,
    ArchiveFailed,
    ArchiveRequested,
    SessionArchived,
    SessionUnarchived,
    UnarchiveFailed,
    UnarchiveRequested,
)
from eventing.database import Connection
from eventing.recording import Recorded

from session.projections.session import FAILED
from session.quotas.storage import release_storage, set_storage, unpack_storage

SET_NOT_READY = (
    "UPDATE sessions SET ready = false, error_code = NULL, error_detail = NULL, updated_at = $2 WHERE id = $1"
)
REOPEN = """
    WITH removed AS (DELETE FROM archives WHERE session_id = $1 RETURNING session_status)
    UPDATE sessions SET status = removed.session_status, ready = true, updated_at = $2 FROM removed WHERE id = $1"""


async def project_archive(event: ArchiveEvent, recorded: Recorded[Any], db: Connection) -> None:
    """Update the read model with one event of an archive."""
    id, at = recorded.id, recorded.at
    match event:
        case ArchiveRequested():
            await db.execute(
                "INSERT INTO archives (session_id, archive_id, status, compression, session_status, created_at) "
                "SELECT id, $2, 'packing', $3, status, $4 FROM sessions WHERE id = $1",
                id, event.archive_id, event.compression, at,
            )  # fmt: skip
            await db.execute("UPDATE sessions SET status = 'archived' WHERE id = $1", id)
            await db.execute(SET_NOT_READY, id, at)
        case SessionArchived():
            await db.execute(
                "UPDATE archives SET status = 'ready', archive_size_bytes = $2, file_count = $3, left_out = $4 "
                "WHERE session_id = $1",
                id, event.size_bytes, event.file_count, event.left_out,
            )  # fmt: skip
            await db.execute("UPDATE sessions SET ready = true, updated_at = $2 WHERE id = $1", id, at)
            await set_storage(id, db, archive_bytes=event.size_bytes)
        case ArchiveFailed():
            await release_storage(id, db)
            await db.execute(REOPEN, id, at)
            await db.execute(FAILED, id, event.error_code, event.error_detail, at)
        case UnarchiveRequested():
            await db.execute("UPDATE archives SET status = 'unpacking' WHERE session_id = $1", id)
            await db.execute(SET_NOT_READY, id, at)
        case UnarchiveFailed():
            await release_storage(id, db)
            await db.execute("UPDATE archives SET status = 'ready' WHERE session_id = $1", id)
            await db.execute("UPDATE sessions SET ready = true WHERE id = $1", id)
            await db.execute(FAILED, id, event.error_code, event.error_detail, at)
        case SessionUnarchived():
            await unpack_storage(id, event.size_bytes, db)
            await db.execute(REOPEN, id, at)
        case _:
            assert_never(event)
