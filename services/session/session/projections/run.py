"""The read model of runs, and the fields of sessions that depend on runs."""

from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, assert_never
from uuid import UUID

from contracts.refusals import Code
from contracts.session.release import RunContinued, RunReleased, RunResumed
from contracts.session.run import (
    RunCancelled,
    RunCompleted,
    RunEvent,
    RunFailed,
    RunQueued,
    RunRequested,
    RunStarted,
    UsageRecorded,
)
from contracts.session.settling import OutcomesUnknown
from contracts.session.values import CancelReason, Usage
from eventing.database import Connection
from eventing.database.committing import after_commit
from eventing.recording import Recorded
from prometheus_client import Counter, Histogram
from runtime.metrics import metrics_of

from session.projections.cost import add_costs
from session.quotas.concurrency import stop_waiting, update_only_waits, update_waiting
from session.quotas.months import add_cost, charge_run
from session.run_row import REQUESTED, STARTED

CANCEL_DETAILS: dict[CancelReason, str] = {
    "requested": "The run was cancelled.",
    "interrupted": "The run was interrupted.",
    "session_deleted": "The session was deleted.",
}
_WAITS = "EXISTS (SELECT FROM approvals WHERE session_id = $1 AND status = 'pending')"
_RUN_STATUS = f"status = CASE WHEN {_WAITS} THEN 'waiting_approval' ELSE 'running' END"
_SESSION_STATUS = f"""
    status = CASE WHEN status = 'paused' THEN status WHEN {_WAITS} THEN 'waiting' ELSE 'processing' END"""
UPDATE_RUN = f"UPDATE runs SET {_RUN_STATUS} WHERE id = $2"  # noqa: S608  no input
UPDATE_SESSION = f"UPDATE sessions SET {_SESSION_STATUS} WHERE id = $1"  # noqa: S608  no input
START_RUN = f"""
    UPDATE runs SET attempt = $3, model = $4, resumed = NULL, {_RUN_STATUS} WHERE id = $2
    RETURNING {STARTED}"""  # noqa: S608  no input
# The id of a run in another session violates NOT NULL: then nothing is stored. A condition would only write no row.
REQUEST_RUN = f"""
    INSERT INTO runs (id, session_id, user_id, message, status, created_at, requested_at)
    VALUES ($1, $2, $3, $4, 'queued', $5, $5)
    ON CONFLICT (id) DO UPDATE SET requested_at = excluded.requested_at, user_id = excluded.user_id,
        session_id = CASE WHEN runs.session_id = excluded.session_id THEN runs.session_id END
    RETURNING {REQUESTED}"""  # noqa: S608  no input
START_SESSION = f"""
    UPDATE sessions SET started_at = coalesce(started_at, $2), {_SESSION_STATUS} WHERE id = $1"""  # noqa: S608  no input
# What was charged while the run was active is not charged again, nor given back (`quotas.months`).
END = """
    WITH run AS (
        SELECT requested_at, greatest(0, $10 - charged_usd) AS uncharged FROM runs WHERE id = $1 FOR UPDATE
    )
    UPDATE runs SET status = $2, error_code = $3, error_detail = $4, ended_at = $5, structured_output = $6,
        duration_ms = $7, input_tokens = $8, output_tokens = $9, cost_usd = $10,
        charged_usd = charged_usd + run.uncharged
    FROM run WHERE id = $1 RETURNING run.requested_at, run.uncharged"""
ADD_TO_SESSION = """
    UPDATE sessions SET total_cost_usd = total_cost_usd + $2, api_input_tokens = api_input_tokens + $3,
        api_output_tokens = api_output_tokens + $4, updated_at = $5"""
RUN_ENDED = f"""{ADD_TO_SESSION}, status = CASE
        WHEN status = 'paused' THEN status WHEN mode = 'non_interactive' THEN 'completed' ELSE 'active' END
    WHERE id = $1"""
# The end of a run that was never requested does not change the status.
USAGE_ADDED = f"{ADD_TO_SESSION} WHERE id = $1"
SET_USAGE = """
    UPDATE runs SET duration_ms = $2, input_tokens = $3, output_tokens = $4, cost_usd = $5 WHERE id = $1"""
# What is reported after the end of a run is that of its last agent; what was released before is in the row.
ADD_USAGE = """
    UPDATE runs SET duration_ms = duration_ms + $2, input_tokens = input_tokens + $3,
        output_tokens = output_tokens + $4, cost_usd = cost_usd + $5 WHERE id = $1
    RETURNING cost_usd"""

# The run and attempt whose agent may add to the conversation (fencing). None, once a run was ended by others than its
# worker.
SET_WRITER = """
    INSERT INTO conversations (session_id, run_id, attempt) VALUES ($1, $2, $3)
    ON CONFLICT (session_id) DO UPDATE SET run_id = excluded.run_id, attempt = excluded.attempt"""
CLEAR_WRITER = "UPDATE conversations SET attempt = NULL WHERE session_id = $1 AND run_id = $2"


_ended = Counter(
    "runs",
    "Runs that have ended, by outcome, with the code of the error if there was one",
    ["outcome", "code"],
    registry=metrics_of("session"),
)
_duration = Histogram(
    "run_duration_seconds",
    "Duration of runs from their turn in the session to their end, approvals included",
    ["outcome"],
    buckets=(0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14_400, 86_400),
    registry=metrics_of("session"),
)


async def project_run(event: RunEvent, recorded: Recorded[Any], db: Connection) -> None:
    """Update the read model with one event of a run."""
    id, at = recorded.id, recorded.at
    match event:
        case RunQueued():
            await db.execute(
                "INSERT INTO runs (id, session_id, user_id, message, status, created_at) "
                "VALUES ($1, $2, $3, $4, 'queued', $5)",
                event.run_id, id, recorded.owner, event.message, at,
            )  # fmt: skip
            await update_waiting(recorded, db)
        case RunRequested():
            await _request(event, recorded, db)
        case RunStarted():
            # What only waits stays so: a start changes neither approvals nor tool calls.
            await db.execute(START_RUN, id, event.run_id, event.attempt, event.model)
            await db.execute(SET_WRITER, id, event.run_id, event.attempt)
            await db.execute(START_SESSION, id, at)
            if event.usage:
                await db.execute(SET_USAGE, event.run_id, *_columns(event.usage))
        case RunResumed():
            await db.execute("UPDATE runs SET resumed = $2 WHERE id = $1", event.run_id, event.reason)
        case RunReleased():
            await _release(event, recorded, db)
        case RunContinued():
            await db.execute("UPDATE runs SET continuation = 'requested' WHERE id = $1", event.run_id)
        case OutcomesUnknown():
            pass  # the calls end with this status
        case RunCompleted() | RunFailed() | RunCancelled():
            await _end(event, recorded, db)
        case UsageRecorded():
            await _record_usage(event, recorded, db)
        case _:
            assert_never(event)


async def update_run_status(run_id: UUID, recorded: Recorded[Any], db: Connection) -> None:
    """Set the status of a run and its session: waiting for an approval, or running."""
    await db.execute(UPDATE_RUN, recorded.id, run_id)
    await db.execute(UPDATE_SESSION, recorded.id)
    await update_only_waits(run_id, recorded, db)


async def _request(event: RunRequested, recorded: Recorded[Any], db: Connection) -> None:
    await db.execute(
        REQUEST_RUN, event.run_id, recorded.id, recorded.owner, event.message, recorded.at, event.message_id
    )
    await stop_waiting(recorded.id, db)
    await db.execute(
        "INSERT INTO messages (session_id, sequence_number, id, run_id, message_type, content, created_at) "
        "VALUES ($1, $2, $3, $4, 'user', $5, $6)",
        recorded.id, event.sequence_number, event.message_id, event.run_id, {"content": event.message}, recorded.at,
    )  # fmt: skip
    await db.execute(
        "UPDATE sessions SET status = 'processing', total_messages = $2, updated_at = $3 WHERE id = $1",
        recorded.id, event.sequence_number, recorded.at,
    )  # fmt: skip


async def _release(event: RunReleased, recorded: Recorded[Any], db: Connection) -> None:
    """Note that no worker has the run. Its usage is added to that of its session when it has ended."""
    await db.execute("UPDATE runs SET continuation = 'awaited' WHERE id = $1", event.run_id)
    await db.execute(SET_USAGE, event.run_id, *_columns(event.usage))
    await db.execute(CLEAR_WRITER, recorded.id, event.run_id)


async def _end(event: RunCompleted | RunFailed | RunCancelled, recorded: Recorded[Any], db: Connection) -> None:
    status, code, detail = _outcome(event)
    output = event.structured_output if isinstance(event, RunCompleted) else None
    columns = status, code, detail, recorded.at, output, *_columns(event.usage)
    run = await db.fetchrow(END, event.run_id, *columns)
    if run is None:  # cancelled before it was submitted
        return
    requested_at: datetime | None = run["requested_at"]
    after_commit(partial(_count, status, code, requested_at and recorded.at - requested_at))
    await _add_usage(event, recorded, run["uncharged"], RUN_ENDED if requested_at else USAGE_ADDED, db)
    if code in (Code.RUN_CANCELLED, Code.RUN_INTERRUPTED):
        await db.execute(CLEAR_WRITER, recorded.id, event.run_id)
    await db.execute("DELETE FROM begun_calls WHERE session_id = $1 AND run_id = $2", recorded.id, event.run_id)
    await db.execute("DELETE FROM mcp_calls WHERE session_id = $1 AND run_id = $2", recorded.id, event.run_id)
    await update_waiting(recorded, db)


def _count(outcome: str, code: Code | None, duration: timedelta | None) -> None:
    _ended.labels(outcome, code or "").inc()
    if duration is not None:
        _duration.labels(outcome).observe(duration.total_seconds())


async def _record_usage(event: UsageRecorded, recorded: Recorded[Any], db: Connection) -> None:
    total_usd = await db.fetchval(ADD_USAGE, event.run_id, *_columns(event.usage))
    total_usd = event.usage.cost_usd if total_usd is None else total_usd
    await _add_usage(event, recorded, await charge_run(event.run_id, total_usd, db), USAGE_ADDED, db)


async def _add_usage(
    event: RunCompleted | RunFailed | RunCancelled | UsageRecorded,
    recorded: Recorded[Any],
    uncharged: Decimal,
    session: str,
    db: Connection,
) -> None:
    """Add what a run has used to the month, its session, by the statement `session`, and the costs of the day."""
    usage = event.usage
    tokens = usage.input_tokens, usage.output_tokens
    if uncharged:
        await add_cost(recorded, uncharged, db)
    await db.execute(session, recorded.id, usage.cost_usd, *tokens, recorded.at)
    await add_costs(event.run_id, usage, recorded, db, ended=not isinstance(event, UsageRecorded))


def _columns(usage: Usage) -> tuple[int, int, int, Decimal]:
    return usage.duration_ms, usage.input_tokens, usage.output_tokens, usage.cost_usd


def _outcome(event: RunCompleted | RunFailed | RunCancelled) -> tuple[str, Code | None, str | None]:
    match event:
        case RunCompleted():
            return "completed", None, None
        case RunFailed():
            return "failed", event.error_code, event.error_detail
        case RunCancelled():
            return "cancelled", Code.RUN_CANCELLED, CANCEL_DETAILS[event.reason]
        case _:
            assert_never(event)
