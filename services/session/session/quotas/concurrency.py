"""The runs of a user that are active at the same time, and the sessions that wait until one of them ends.

All transactions that begin or end a run, or change which sessions wait, hold the lock of the user. So whenever one more
run may be active and a session waits, it has a due time.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.identity.values import Role
from contracts.session.run import StartWaiting
from eventing.database import Connection, Row
from eventing.due import DueKind, DueTime
from eventing.recording import Recorded
from runtime.bus.envelope import Envelope

from session.quotas.accounts import assumed_role
from session.quotas.rules import LIMITS

MAX_ONLY_WAITING = 10
"""The number of a user's runs that do not count while they only wait for approvals."""
MAX_STARTS = 20
"""The number of waiting sessions that one event starts."""

START_WAITING = DueKind("start_waiting", lambda due: StartWaiting(session_id=due.id))

# A run that only waits for approvals has an agent and a slot of its replica all the same. Without this bound one user
# could take all of them, by runs whose approvals are never decided.
ACTIVE = f"""
    SELECT count(*) FILTER (WHERE NOT only_waits) + greatest(0, count(*) FILTER (WHERE only_waits) - {MAX_ONLY_WAITING})
    FROM runs WHERE user_id = $1 AND requested_at IS NOT NULL AND ended_at IS NULL"""  # noqa: S608  no input
ACTIVE_IN_OTHERS = f"{ACTIVE} AND session_id <> $2"
# A running tool call is in progress unless it waits for the end of calls in it, or for input.
UPDATE_ONLY_WAITS = """
    UPDATE runs SET only_waits = w.only_waits FROM (
        SELECT EXISTS (SELECT FROM approvals a WHERE a.session_id = $2 AND a.status = 'pending')
        AND NOT EXISTS (SELECT FROM tool_calls t WHERE t.run_id = $1 AND t.status = 'running'
            AND NOT EXISTS (SELECT FROM tool_calls c WHERE c.parent_tool_call_id = t.id AND c.run_id = $1
                AND c.status IN ('running', 'waiting_approval'))
            AND NOT EXISTS (SELECT FROM approvals a WHERE a.session_id = $2 AND a.status = 'pending'
                AND a.kind = 'elicitation' AND starts_with(t.tool_name, 'mcp__')))
        AS only_waits) AS w
    WHERE id = $1 AND runs.only_waits <> w.only_waits RETURNING w.only_waits"""
# The session `s` has neither an active run nor a pause that queued runs wait for.
IS_IDLE = """s.status <> 'paused' AND NOT EXISTS (SELECT FROM runs r
    WHERE r.user_id = s.user_id AND r.session_id = s.id AND r.requested_at IS NOT NULL AND r.ended_at IS NULL)"""
# It waits if it also has queued runs.
UPDATE_WAITING = f"""
    WITH waits AS (
        SELECT s.id, s.user_id FROM sessions s WHERE s.id = $1 AND {IS_IDLE}
        AND EXISTS (SELECT FROM runs r WHERE r.session_id = s.id AND r.requested_at IS NULL AND r.ended_at IS NULL)
    ), removed AS (
        DELETE FROM waiting_sessions WHERE session_id = $1 AND NOT EXISTS (SELECT FROM waits)
    )
    INSERT INTO waiting_sessions (session_id, user_id, since, envelope) SELECT id, user_id, $2, $3 FROM waits
    ON CONFLICT (session_id) DO NOTHING"""  # noqa: S608  no input
# With the limit of the user, and the number of runs that count.
WAITING = f"""
    SELECT w.session_id, w.envelope, limits.concurrent_runs, ({ACTIVE}) AS active
    FROM waiting_sessions AS w CROSS JOIN ({LIMITS}) AS limits
    WHERE w.user_id = $1 ORDER BY w.since, w.session_id LIMIT $3"""  # noqa: S608  no input
BEFORE = """
    SELECT count(*) FROM waiting_sessions w WHERE w.user_id = $1 AND w.session_id <> $2 AND NOT EXISTS (
        SELECT FROM waiting_sessions o WHERE o.session_id = $2 AND (o.since, o.session_id) < (w.since, w.session_id))"""
"""The number of sessions that wait longer than a session."""


def role_of(recorded: Recorded[Any]) -> Role:
    """Return the role of an event's owner until the first event of the account was read."""
    return assumed_role(recorded.owner, recorded.envelope.actor)


async def lock_user(user_id: UUID, db: Connection) -> None:
    """Lock the quotas of a user until the transaction ends."""
    await db.fetchval("SELECT pg_advisory_xact_lock(hashtextextended('session: quotas ' || $1::uuid, 0))", user_id)


async def stop_waiting(session_id: UUID, db: Connection) -> None:
    """Note that a run of the session is active, so that the session does not wait."""
    await db.execute("DELETE FROM waiting_sessions WHERE session_id = $1", session_id)


async def update_waiting(recorded: Recorded[Any], db: Connection) -> None:
    """Update whether the session waits for a slot after an event that may change it; start those that may start."""
    await lock_user(recorded.owner, db)
    await db.execute(UPDATE_WAITING, recorded.id, recorded.at, recorded.envelope.headers())
    await _start_waiting(recorded, db)


async def update_only_waits(run_id: UUID, recorded: Recorded[Any], db: Connection) -> None:
    """Note whether all that an active run does is wait for approvals. If it begins to, another run may start.

    When it continues it counts again, even if the user then has too many active runs.
    """
    if await db.fetchval(UPDATE_ONLY_WAITS, run_id, recorded.id):
        await lock_user(recorded.owner, db)
        await _start_waiting(recorded, db)


async def _start_waiting(recorded: Recorded[Any], db: Connection) -> None:
    await start_waiting(recorded.owner, role_of(recorded), recorded.at, db)


async def start_waiting(user_id: UUID, role: Role, at: datetime, db: Connection) -> None:
    """Set the due times of the waiting sessions of a user that may start; the user has to be locked."""
    if waiting := await db.fetch(WAITING, user_id, role, MAX_STARTS):
        limit: int | None = waiting[0]["concurrent_runs"]
        free = MAX_STARTS if limit is None else limit - waiting[0]["active"]
        await _start(waiting[: max(0, free)], at, db)


async def _start(waiting: Sequence[Row], at: datetime, db: Connection) -> None:
    for row in waiting:
        due = DueTime(row["session_id"], row["session_id"], at)
        await START_WAITING.put(due, Envelope.from_headers(row["envelope"]), db)
