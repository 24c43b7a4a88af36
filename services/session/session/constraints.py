"""What no session decides alone: the quotas of its user.

A user's sessions are different aggregates, so without the locks several of them could be the last one that a quota
allows.
"""

from contracts.session.fork import SessionForked
from contracts.session.run import RunQueued, RunRequested
from contracts.session.session import SessionCreated
from eventing.constraints import Constraints
from eventing.database import Connection
from eventing.database.deferred import DeferredConnection
from eventing.recording import Recorded
from eventing.store import Conflict

from session.quotas.concurrency import ACTIVE, ACTIVE_IN_OTHERS, IS_IDLE, lock_user, role_of
from session.quotas.months import end_of_month, used_in_month
from session.quotas.refusal import exceeded
from session.quotas.rules import LIMITS, limits_of

MAX_WAITING_SESSIONS = 100
"""The number of a user's sessions that may wait because of the quota; more are refused."""

# Without a limit no transaction has to wait for another one.
LIMIT_WITH_LOCK = f"""
    SELECT CASE WHEN concurrent_runs IS NOT NULL THEN (
        SELECT concurrent_runs FROM pg_advisory_xact_lock(hashtextextended('session: quotas ' || $1::uuid, 0))) END
    FROM ({LIMITS}) AS limits"""  # noqa: S608  no input
# There is no row if the session does not begin to wait.
NUMBER_WAITING = f"""
    SELECT count(*) FROM waiting_sessions WHERE user_id = $1
    HAVING bool_or(session_id = $2) IS NOT TRUE AND EXISTS (SELECT FROM sessions s WHERE s.id = $2 AND {IS_IDLE})"""  # noqa: S608
SESSIONS_LIMIT = f"SELECT sessions_per_month FROM ({LIMITS}) AS limits"  # noqa: S608  no input
STORAGE_LIMIT = f"SELECT storage_bytes FROM ({LIMITS}) AS limits"  # noqa: S608  no input
COPIED = "SELECT workspace_bytes FROM session_storage WHERE session_id = $1"
# Locks the row until the transaction ends, and creates it if necessary.
USED_WITH_LOCK = """
    WITH used AS (
        INSERT INTO storage_used AS u (user_id, bytes) VALUES ($1, 0)
        ON CONFLICT (user_id) DO UPDATE SET bytes = u.bytes RETURNING bytes
    ) SELECT bytes FROM used"""

constrains = Constraints()


@constrains
async def check_month(recorded: Recorded[SessionCreated], db: DeferredConnection) -> None:
    """Check that the user may create one more session in this month.

    Raises:
        Refusal: QUOTA_EXCEEDED.
    """
    limit: int | None = await db.expect_none(SESSIONS_LIMIT, recorded.owner, role_of(recorded))
    if limit is None:
        return
    await lock_user(recorded.owner, db)
    used = (await used_in_month(recorded.owner, recorded.at, db)).sessions
    if used >= limit:
        raise exceeded("sessions_per_month", used, limit, end_of_month(recorded.at))


@constrains
async def check_copy(recorded: Recorded[SessionForked], db: DeferredConnection) -> None:
    """Check that the user may store a copy of the files of the parent.

    Raises:
        Refusal: QUOTA_EXCEEDED.
    """
    limit: int | None = await db.expect_none(STORAGE_LIMIT, recorded.owner, role_of(recorded))
    if limit is None:
        return
    growth = await db.fetchval(COPIED, recorded.event.parent_session_id)
    if not growth:  # all that writes files of the user would wait for the lock
        return
    used = await db.fetchval(USED_WITH_LOCK, recorded.owner)
    if used + growth > limit:
        raise exceeded("storage_bytes", used, limit)


@constrains
async def check_start(recorded: Recorded[RunRequested], db: DeferredConnection) -> None:
    """Check that a run of the session may become active.

    Raises:
        Conflict: the user has too many active runs since it was decided to start this one.
    """
    limit: int | None = await db.expect_none(LIMIT_WITH_LOCK, recorded.owner, role_of(recorded))
    if limit is not None and await db.fetchval(ACTIVE_IN_OTHERS, recorded.owner, recorded.id) >= limit:
        raise Conflict(f"user {recorded.owner} has {limit} active runs")


@constrains
async def check_waiting(recorded: Recorded[RunQueued], db: Connection) -> None:
    """Check that one more session of the user may wait, if this one begins to because one of its runs is queued.

    Raises:
        Refusal: QUOTA_EXCEEDED.
    """
    await lock_user(recorded.owner, db)
    number = await db.fetchval(NUMBER_WAITING, recorded.owner, recorded.id)
    if number is not None and number >= MAX_WAITING_SESSIONS:
        limit = (await limits_of(db, recorded.owner, role_of(recorded))).concurrent_runs or 0
        active = await db.fetchval(ACTIVE, recorded.owner)
        detail = (
            f"{active} runs are active, of at most {limit}, and {MAX_WAITING_SESSIONS} sessions wait: "
            "try again when some of them have ended."
        )
        raise exceeded("concurrent_runs", active, limit, detail=detail)
