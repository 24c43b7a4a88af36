"""The read models of the session service, written in the transaction that stores the fact."""

from typing import assert_never
from uuid import UUID

from contracts.refusals import Code
from contracts.session import SessionFact
from contracts.session.approval import ApprovalDecided, ApprovalRequested, DecisionDelivered
from contracts.session.archive import (
    ArchiveFailed,
    ArchiveRequested,
    SessionArchived,
    SessionUnarchived,
    UnarchiveFailed,
    UnarchiveRequested,
)
from contracts.session.conversation import MessageRecorded, ToolCallEnded, ToolCallStarted
from contracts.session.fork import ForkCompleted, ForkFailed, SessionForked
from contracts.session.run import (
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunQueued,
    RunRequested,
    RunStarted,
    SessionPaused,
    SessionResumed,
    UsageRecorded,
)
from contracts.session.session import EnvironmentSet, SessionChanged, SessionCreated, SessionDeleted
from contracts.session.values import CancelReason, TextBlock
from eventing.database import Connection
from eventing.recording import Recorded

from session.projections.template import count_use

CANCELLED: dict[CancelReason, str] = {
    "requested": "The run was cancelled.",
    "interrupted": "The run was interrupted.",
    "session_deleted": "The session was deleted.",
}
RESUME = """
    UPDATE sessions SET updated_at = $2, status = CASE
        WHEN EXISTS (SELECT FROM approvals WHERE session_id = $1 AND status = 'pending') THEN 'waiting'
        WHEN EXISTS (SELECT FROM runs WHERE session_id = $1 AND requested_at IS NOT NULL AND ended_at IS NULL)
        THEN 'processing' WHEN started_at IS NULL THEN 'created'
        WHEN mode = 'non_interactive' THEN 'completed' ELSE 'active' END
    WHERE id = $1"""
RUN_OVER = """
    UPDATE sessions SET status = CASE WHEN mode = 'non_interactive' THEN 'completed' ELSE 'active' END
    WHERE id = $1 AND status <> 'paused'"""

AT_WORK = "UPDATE sessions SET ready = false, error_code = NULL, error_detail = NULL, updated_at = $2 WHERE id = $1"
FAILED = "UPDATE sessions SET error_code = $2, error_detail = $3, updated_at = $4 WHERE id = $1"
OPEN_AGAIN = """
    WITH gone AS (DELETE FROM archives WHERE session_id = $1 RETURNING session_status)
    UPDATE sessions SET status = gone.session_status, ready = true, updated_at = $2 FROM gone WHERE id = $1"""


# Whose agent may add to the conversation. Nobody's, once a run was ended by others than its worker.
TAKE_UP = """
    INSERT INTO conversations (session_id, run_id, attempt) VALUES ($1, $2, $3)
    ON CONFLICT (session_id) DO UPDATE SET run_id = excluded.run_id, attempt = excluded.attempt"""
TAKE_AWAY = "UPDATE conversations SET attempt = NULL WHERE session_id = $1 AND run_id = $2"


async def project(recorded: Recorded[SessionFact], db: Connection) -> None:  # noqa: C901  one case a fact
    """Write what one fact means for those who read."""
    id, at = recorded.id, recorded.at  # noqa: A001  the column's name
    match recorded.fact:
        case SessionCreated() as fact:
            await db.execute(
                "INSERT INTO sessions (id, user_id, name, mode, status, sdk_options, created_at, updated_at) "
                "VALUES ($1, $2, $3, $4, 'created', $5, $6, $6)",
                id, fact.user_id, fact.name, fact.mode, fact.sdk_options.model_dump(mode="json"), at,
            )  # fmt: skip
            if fact.template_id:
                await count_use(fact.template_id, db)
        case SessionChanged() as fact:
            await db.execute(
                "UPDATE sessions SET name = $2, sdk_options = $3, metadata = $4, updated_at = $5 WHERE id = $1",
                id, fact.name, fact.sdk_options.model_dump(mode="json"), fact.metadata, at,
            )  # fmt: skip
        case EnvironmentSet() as fact:
            await db.execute(
                "INSERT INTO session_environments (session_id, variables) VALUES ($1, $2) "
                "ON CONFLICT (session_id) DO UPDATE SET variables = excluded.variables",
                id, fact.variables,
            )  # fmt: skip
        case RunQueued() as fact:
            await db.execute(
                "INSERT INTO runs (id, session_id, message, status, created_at) VALUES ($1, $2, $3, 'queued', $4)",
                fact.run_id, id, fact.message, at,
            )  # fmt: skip
        case RunRequested() as fact:
            await db.execute(
                "INSERT INTO runs (id, session_id, message, status, created_at, requested_at) "
                "VALUES ($1, $2, $3, 'queued', $4, $4) "
                "ON CONFLICT (id) DO UPDATE SET requested_at = excluded.requested_at",
                fact.run_id, id, fact.message, at,
            )  # fmt: skip
            await db.execute(
                "INSERT INTO messages (session_id, sequence_number, id, run_id, message_type, content, created_at) "
                "VALUES ($1, $2, $3, $4, 'user', $5, $6)",
                id, fact.sequence_number, fact.message_id, fact.run_id, {"content": fact.message}, at,
            )  # fmt: skip
            await db.execute(
                "UPDATE sessions SET status = 'processing', total_messages = $2, updated_at = $3 WHERE id = $1",
                id, fact.sequence_number, at,
            )  # fmt: skip
        case RunStarted() as fact:
            await db.execute("UPDATE runs SET attempt = $2 WHERE id = $1", fact.run_id, fact.attempt)
            await db.execute(TAKE_UP, id, fact.run_id, fact.attempt)
            await _go_on_or_wait(id, fact.run_id, db)
            await db.execute("UPDATE sessions SET started_at = coalesce(started_at, $2) WHERE id = $1", id, at)
        case MessageRecorded() as fact:
            await _say(recorded, fact, db)
        case ToolCallStarted() as fact:
            await db.execute(
                "INSERT INTO tool_calls (id, session_id, run_id, parent_tool_call_id, tool_name, tool_input, status, "
                "created_at) VALUES ($1, $2, $3, $4, $5, $6, 'running', $7)",
                fact.tool_call_id, id, fact.run_id, fact.parent_tool_call_id, fact.tool_name, fact.tool_input, at,
            )  # fmt: skip
            await db.execute("UPDATE sessions SET total_tool_calls = total_tool_calls + 1 WHERE id = $1", id)
        case ToolCallEnded() as fact:
            await db.execute(
                "UPDATE tool_calls SET status = $2, tool_output = $3, duration_ms = $4 WHERE id = $1",
                fact.tool_call_id, fact.status, fact.tool_output, fact.duration_ms,
            )  # fmt: skip
        case ApprovalRequested() as fact:
            await db.execute(
                "INSERT INTO approvals (id, session_id, user_id, run_id, tool_call_id, tool_name, tool_input, "
                "expires_at, created_at) SELECT $1, id, user_id, $3, $4, $5, $6, $7, $8 FROM sessions WHERE id = $2",
                fact.approval_id, id, fact.run_id, fact.tool_call_id, fact.tool_name, fact.tool_input,
                fact.expires_at, at,
            )  # fmt: skip
            await _go_on_or_wait(id, fact.run_id, db)
        case ApprovalDecided() as fact:
            await db.execute(
                "UPDATE approvals SET status = $2, decided_by = $3, message = $4, remember = $5, decided_at = $6 "
                "WHERE id = $1",
                fact.approval_id, fact.decision, fact.decided_by, fact.message, fact.remember, at,
            )  # fmt: skip
            await _go_on_or_wait(id, fact.run_id, db)
        case DecisionDelivered() as fact:
            await db.execute("UPDATE approvals SET delivered = true WHERE id = $1", fact.approval_id)
        case RunCompleted() | RunFailed() | RunCancelled() as fact:
            await _end(recorded, fact, db)
        case UsageRecorded() as fact:
            await _charge(recorded, fact, db)
        case SessionPaused():
            await db.execute("UPDATE sessions SET status = 'paused', updated_at = $2 WHERE id = $1", id, at)
        case SessionResumed():
            await db.execute(RESUME, id, at)
        case SessionDeleted():
            await db.execute("DELETE FROM sessions WHERE id = $1", id)
        case SessionForked() as fact:
            await _fork(recorded, fact, db)
        case ForkCompleted():
            await db.execute("UPDATE sessions SET ready = true, updated_at = $2 WHERE id = $1", id, at)
        case ForkFailed() as fact:
            await db.execute("UPDATE sessions SET status = 'failed' WHERE id = $1", id)
            await db.execute(FAILED, id, fact.error_code, fact.error_detail, at)
        case ArchiveRequested() as fact:
            await db.execute(
                "INSERT INTO archives (session_id, archive_id, status, compression, session_status, created_at) "
                "SELECT id, $2, 'packing', $3, status, $4 FROM sessions WHERE id = $1",
                id, fact.archive_id, fact.compression, at,
            )  # fmt: skip
            await db.execute("UPDATE sessions SET status = 'archived' WHERE id = $1", id)
            await db.execute(AT_WORK, id, at)
        case SessionArchived() as fact:
            await db.execute(
                "UPDATE archives SET status = 'ready', archive_size_bytes = $2, file_count = $3, left_out = $4 "
                "WHERE session_id = $1",
                id, fact.size_bytes, fact.file_count, fact.left_out,
            )  # fmt: skip
            await db.execute("UPDATE sessions SET ready = true, updated_at = $2 WHERE id = $1", id, at)
        case ArchiveFailed() as fact:
            await db.execute(OPEN_AGAIN, id, at)
            await db.execute(FAILED, id, fact.error_code, fact.error_detail, at)
        case UnarchiveRequested():
            await db.execute("UPDATE archives SET status = 'unpacking' WHERE session_id = $1", id)
            await db.execute(AT_WORK, id, at)
        case UnarchiveFailed() as fact:
            await db.execute("UPDATE archives SET status = 'ready' WHERE session_id = $1", id)
            await db.execute("UPDATE sessions SET ready = true WHERE id = $1", id)
            await db.execute(FAILED, id, fact.error_code, fact.error_detail, at)
        case SessionUnarchived():
            await db.execute(OPEN_AGAIN, id, at)
        case _:
            assert_never(recorded.fact)


async def _fork(recorded: Recorded[SessionFact], fact: SessionForked, db: Connection) -> None:
    known = len(fact.message_ids)
    await db.execute(
        "UPDATE sessions SET parent_session_id = $2, total_messages = $3, ready = false WHERE id = $1",
        recorded.id, fact.parent_session_id, known,
    )  # fmt: skip
    await db.execute(
        "INSERT INTO messages (session_id, sequence_number, id, run_id, message_type, content, model, "
        "parent_tool_call_id, created_at) SELECT $1, sequence_number, id, run_id, message_type, content, model, "
        "parent_tool_call_id, created_at FROM messages WHERE session_id = $2 AND sequence_number <= $3",
        recorded.id, fact.parent_session_id, known,
    )  # fmt: skip


async def _go_on_or_wait(id: UUID, run_id: UUID, db: Connection) -> None:  # noqa: A002  the column's name
    waits = await db.fetchval("SELECT EXISTS (SELECT FROM approvals WHERE session_id = $1 AND status = 'pending')", id)
    await db.execute("UPDATE runs SET status = $2 WHERE id = $1", run_id, "waiting_approval" if waits else "running")
    await db.execute(
        "UPDATE sessions SET status = $2 WHERE id = $1 AND status <> 'paused'", id, "waiting" if waits else "processing"
    )


async def _say(recorded: Recorded[SessionFact], fact: MessageRecorded, db: Connection) -> None:
    text = "".join(block.text for block in fact.blocks if isinstance(block, TextBlock))
    blocks = [block.model_dump(mode="json") for block in fact.blocks]
    await db.execute(
        "INSERT INTO messages (session_id, sequence_number, id, run_id, message_type, content, model, "
        "parent_tool_call_id, created_at) VALUES ($1, $2, $3, $4, 'assistant', $5, $6, $7, $8)",
        recorded.id, fact.sequence_number, fact.message_id, fact.run_id, {"content": text, "blocks": blocks},
        fact.model, fact.parent_tool_call_id, recorded.at,
    )  # fmt: skip
    if text and fact.parent_tool_call_id is None:
        await db.execute("UPDATE runs SET answer = $2 WHERE id = $1", fact.run_id, fact.sequence_number)
    await db.execute(
        "UPDATE sessions SET total_messages = $2, updated_at = $3 WHERE id = $1",
        recorded.id, fact.sequence_number, recorded.at,
    )  # fmt: skip


async def _end(recorded: Recorded[SessionFact], fact: RunCompleted | RunFailed | RunCancelled, db: Connection) -> None:
    status, code, detail = _outcome(fact)
    requested = await db.fetchval(
        "UPDATE runs SET status = $2, error_code = $3, error_detail = $4, ended_at = $5, structured_output = $6 "
        "WHERE id = $1 RETURNING requested_at IS NOT NULL",
        fact.run_id, status, code, detail, recorded.at,
        fact.structured_output if isinstance(fact, RunCompleted) else None,
    )  # fmt: skip
    if requested:  # one that ends while it waits leaves the session as it is
        await db.execute(RUN_OVER, recorded.id)
    if code in (Code.RUN_CANCELLED, Code.RUN_INTERRUPTED):
        await db.execute(TAKE_AWAY, recorded.id, fact.run_id)
    await _charge(recorded, fact, db)


async def _charge(
    recorded: Recorded[SessionFact], fact: RunCompleted | RunFailed | RunCancelled | UsageRecorded, db: Connection
) -> None:
    usage = fact.usage
    await db.execute(
        "UPDATE runs SET duration_ms = $2, input_tokens = $3, output_tokens = $4, cost_usd = $5 WHERE id = $1",
        fact.run_id, usage.duration_ms, usage.input_tokens, usage.output_tokens, usage.cost_usd,
    )  # fmt: skip
    await db.execute(
        "UPDATE sessions SET total_cost_usd = total_cost_usd + $2, api_input_tokens = api_input_tokens + $3, "
        "api_output_tokens = api_output_tokens + $4, updated_at = $5 WHERE id = $1",
        recorded.id, usage.cost_usd, usage.input_tokens, usage.output_tokens, recorded.at,
    )  # fmt: skip


def _outcome(fact: RunCompleted | RunFailed | RunCancelled) -> tuple[str, Code | None, str | None]:
    match fact:
        case RunCompleted():
            return "completed", None, None
        case RunFailed():
            return "failed", fact.error_code, fact.error_detail
        case RunCancelled():
            return "cancelled", Code.RUN_CANCELLED, CANCELLED[fact.reason]
        case _:
            assert_never(fact)
