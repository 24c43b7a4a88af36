"""Reserves storage for files before they are written, and measures what workspaces occupy."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

from contracts.messages import Actor
from contracts.refusals import Code, not_found
from eventing.database import Connection, Database
from runtime import clock

from session.quotas.accounts import assumed_role
from session.quotas.storage import check_growth, check_storage

MAX_RESERVED = timedelta(minutes=10)
"""Reservations that are older belong to a process that was killed."""
STATE = "SELECT changes, measured FROM session_storage WHERE session_id = $1"
OCCUPIED = """
    SELECT workspace_bytes + archive_bytes + reserved_bytes FROM session_storage WHERE session_id = $1 FOR UPDATE"""
RESERVE = """
    INSERT INTO session_storage AS s (session_id, user_id, reserved_bytes, reserved_at)
    SELECT id, user_id, $2, $3 FROM sessions WHERE id = $1
    ON CONFLICT (session_id) DO UPDATE
    SET reserved_bytes = s.reserved_bytes + excluded.reserved_bytes, reserved_at = excluded.reserved_at
    RETURNING user_id"""
WRITTEN = """
    INSERT INTO session_storage AS s (session_id, user_id, workspace_bytes)
    SELECT id, user_id, greatest(0, $2) FROM sessions WHERE id = $1
    ON CONFLICT (session_id) DO UPDATE SET workspace_bytes = greatest(0, s.workspace_bytes + $2),
        reserved_bytes = greatest(0, s.reserved_bytes - $3), changes = s.changes + 1"""
MEASURED = """
    INSERT INTO session_storage AS s (session_id, user_id, workspace_bytes, measured)
    SELECT id, user_id, $2, true FROM sessions WHERE id = $1
    ON CONFLICT (session_id) DO UPDATE SET workspace_bytes = excluded.workspace_bytes, measured = true,
        reserved_bytes = CASE WHEN s.reserved_at < $4 THEN 0 ELSE s.reserved_bytes END
    WHERE s.changes = $3"""
UNMEASURED = "UPDATE session_storage SET measured = false WHERE session_id = $1"
NOT_STORED = "INSERT 0 0"


class Storage:
    """Accounting of the bytes that files of sessions occupy, for all replicas."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def growth(self, session_id: UUID, size: int, actor: Actor | None) -> AsyncGenerator[None]:
        """Count `size` more bytes in the workspace of a session, or fewer, unless the block raises.

        More are reserved first. Raises as `reserve` does.
        """
        reserved = max(0, size)
        if reserved:
            await self.reserve(session_id, reserved, actor)
        written = 0
        try:
            yield
            written = size
        finally:
            if written or reserved:
                await self._database.execute(WRITTEN, session_id, written, reserved)

    async def reserve(self, session_id: UUID, size: int, actor: Actor | None) -> None:
        """Count `size` bytes that are going to be written for a session.

        Raises:
            Refusal: QUOTA_EXCEEDED, SESSION_NOT_FOUND.
        """
        async with self._database.transaction() as connection:
            await _reserve(session_id, size, actor, connection)

    async def reserve_total(self, session_id: UUID, size: int, actor: Actor | None) -> None:
        """Count as many bytes as the files of a session will occupy more than now if they have `size` bytes.

        Raises as `reserve` does.
        """
        async with self._database.transaction() as connection:
            growth = size - (await connection.fetchval(OCCUPIED, session_id) or 0)
            if growth > 0:
                await _reserve(session_id, growth, actor, connection)

    async def check(self, owner: UUID, actor: Actor | None) -> None:
        """Check that a user may store more.

        Raises:
            Refusal: QUOTA_EXCEEDED.
        """
        await check_storage(owner, assumed_role(owner, actor), self._database)

    async def measure(self, session_id: UUID, measure: Callable[[], Awaitable[int]], *, again: bool = True) -> None:
        """Store the measured size of a workspace; unless `again` is set, only if it was never measured.

        The size is not stored if a file was written meanwhile, or if the session was deleted. In the first case the
        workspace counts as never measured, so that clients cannot keep it from being measured by writing to it.
        """
        state = await self._database.fetchrow(STATE, session_id) or {"changes": 0, "measured": False}
        if again or not state["measured"]:
            await self.store_size(session_id, measure, state["changes"])

    async def store_size(self, session_id: UUID, measure: Callable[[], Awaitable[int]], changes: int) -> None:
        """Store the measured size of a workspace as `measure` does; `changes` is the number of changes before that."""
        size, oldest = await measure(), clock.now() - MAX_RESERVED
        if await self._database.execute(MEASURED, session_id, size, changes, oldest) == NOT_STORED:
            await self._database.execute(UNMEASURED, session_id)


async def _reserve(session_id: UUID, size: int, actor: Actor | None, db: Connection) -> None:
    owner = await db.fetchval(RESERVE, session_id, size, clock.now())
    if owner is None:
        raise not_found(Code.SESSION_NOT_FOUND, session_id)
    await check_growth(owner, assumed_role(owner, actor), size, db)
