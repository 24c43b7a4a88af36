"""Storage that a user's sessions occupy: workspaces, archives, and files that are being written."""

from typing import Any
from uuid import UUID

from contracts.identity.values import Role
from eventing.database import Connection, Database
from eventing.recording import Recorded

from session.quotas.refusal import exceeded
from session.quotas.rules import limits_of

USED = "SELECT bytes FROM storage_used WHERE user_id = $1"
COPY = """
    INSERT INTO session_storage (session_id, user_id, workspace_bytes)
    SELECT $1, $2, workspace_bytes FROM session_storage WHERE session_id = $3"""
# Nothing is being written to a session whose files are packed, unpacked or were not copied.
SET = """
    INSERT INTO session_storage AS s (session_id, user_id, workspace_bytes, archive_bytes, measured)
    SELECT id, user_id, $2, $3, true FROM sessions WHERE id = $1
    ON CONFLICT (session_id) DO UPDATE SET workspace_bytes = excluded.workspace_bytes,
        archive_bytes = excluded.archive_bytes, reserved_bytes = 0, measured = true, changes = s.changes + 1"""
RELEASE = "UPDATE session_storage SET reserved_bytes = 0 WHERE session_id = $1"
UNPACKED = "SELECT archive_bytes FROM session_storage WHERE session_id = $1"


async def storage_used(database: Connection | Database, user_id: UUID) -> int:
    """Return the bytes that the files of a user's sessions occupy."""
    return await database.fetchval(USED, user_id) or 0


async def check_growth(user_id: UUID, role: Role, growth: int, db: Connection) -> None:
    """Check that the files of a user, which have grown in this transaction, are within the quota.

    Raises:
        Refusal: QUOTA_EXCEEDED.
    """
    limit = (await limits_of(db, user_id, role)).storage_bytes
    if growth > 0 and limit is not None and (used := await storage_used(db, user_id)) > limit:
        raise exceeded("storage_bytes", used - growth, limit)


async def check_storage(user_id: UUID, role: Role, database: Connection | Database) -> None:
    """Check that a user may store more.

    Raises:
        Refusal: QUOTA_EXCEEDED.
    """
    limit = (await limits_of(database, user_id, role)).storage_bytes
    if limit is not None and (used := await storage_used(database, user_id)) >= limit:
        raise exceeded("storage_bytes", used, limit)


async def copy_storage(parent_id: UUID, recorded: Recorded[Any], db: Connection) -> None:
    """Count the files of a fork, which will be a copy of its parent's."""
    await db.execute(COPY, recorded.id, recorded.owner, parent_id)


async def set_storage(session_id: UUID, db: Connection, *, workspace_bytes: int = 0, archive_bytes: int = 0) -> None:
    """Set what the files of a session occupy when they were packed, unpacked or removed."""
    await db.execute(SET, session_id, workspace_bytes, archive_bytes)


async def unpack_storage(session_id: UUID, workspace_bytes: int | None, db: Connection) -> None:
    """Set what the files of a session occupy that were unpacked; as much as the archive if the size is unknown."""
    size = workspace_bytes if workspace_bytes is not None else await db.fetchval(UNPACKED, session_id)
    await set_storage(session_id, db, workspace_bytes=size or 0)


async def release_storage(session_id: UUID, db: Connection) -> None:
    """Note that no file of a session is being written any more."""
    await db.execute(RELEASE, session_id)
