"""What the session service answers, from its read models."""

# ruff: noqa: S608
# Statements are put together from the constants of this file; values are always parameters.

from typing import Any
from uuid import UUID

from contracts.messages import Page
from contracts.refusals import Code, Refusal
from contracts.session.approvals import ApprovalView, GetApproval, ListApprovals
from contracts.session.queries import (
    CountSessions,
    GetRun,
    GetSession,
    GetToolCall,
    ListMessages,
    ListRuns,
    ListSessions,
    ListToolCalls,
    MessageView,
    RunSummary,
    RunView,
    SessionView,
    ToolCallView,
)
from eventing.database import Row
from eventing.handling import Handlers, QueryContext

from session.tools import Tools

MOST_SHOWN = 400
"""Tool calls that a run shows; all are in the list of tool calls."""
LARGEST_SHOWN = 16 * 1024
"""Bytes of a tool's input or output that a list shows; so many of them are below what the bus carries."""


def _shown(column: str) -> str:
    size = f"octet_length({column}::text)"
    cut = f"jsonb_build_object('truncated', true, 'size_bytes', {size})"
    return f"CASE WHEN {size} > {LARGEST_SHOWN} THEN {cut} ELSE {column} END AS {column}"


TOOL_USE = f"id, tool_name, status, {_shown('tool_input')}"
TOOL_CALL = f"{TOOL_USE}, run_id, duration_ms, created_at, {_shown('tool_output')}"
APPROVAL = (
    "id, session_id, run_id, tool_call_id, tool_name, status, decided_by, message, remember, delivered, "
    "created_at, expires_at, decided_at"
)
USAGE = ("duration_ms", "input_tokens", "output_tokens", "cost_usd")
RUN = "r.id, r.session_id, r.status, r.attempt, r.error_code, r.error_detail, r.created_at, r.ended_at, " + ", ".join(
    f"r.{name}" for name in USAGE
)

answers = Handlers()


type Context = QueryContext[Tools]


@answers
async def get_session(query: GetSession, context: Context) -> SessionView:
    """Give one session."""
    return _session(await _visible(query.session_id, context))


@answers
async def list_sessions(query: ListSessions, context: Context) -> Page[SessionView]:
    """Give the actor's sessions, an admin all, newest first."""
    wanted: dict[str, Any] = {"status": query.status, "mode": query.mode}
    if context.actor.role != "admin":
        wanted["user_id"] = context.actor.user_id
    filters = {column: value for column, value in wanted.items() if value is not None}
    where = [f"{column} = ${n}" for n, column in enumerate(filters, start=1)] or ["true"]
    values = list(filters.values())
    total = await context.database.fetchval(
        f"SELECT coalesce(sum(n), 0)::bigint FROM session_counts WHERE {' AND '.join(where)}", *values
    )
    if query.after:
        values.append(query.after)
        where.append(f"id < ${len(values)}")
    rows = await context.database.fetch(
        f"SELECT * FROM sessions WHERE {' AND '.join(where)} "
        f"ORDER BY id DESC LIMIT {query.limit:d} OFFSET {query.skip:d}",
        *values,
    )
    return Page(items=[_session(row) for row in rows], total=total)


@answers
async def list_messages(query: ListMessages, context: Context) -> Page[MessageView]:
    """Give a session's messages, oldest first."""
    session = await _visible(query.session_id, context)
    rows = await context.database.fetch(
        "SELECT id, run_id, message_type, content, sequence_number, model, created_at FROM messages "
        "WHERE session_id = $1 ORDER BY sequence_number LIMIT $2 OFFSET $3",
        query.session_id,
        query.limit,
        query.skip,
    )
    return Page(items=[MessageView(**row) for row in rows], total=session["total_messages"])


@answers
async def list_tool_calls(query: ListToolCalls, context: Context) -> Page[ToolCallView]:
    """Give a session's tool calls, oldest first."""
    session = await _visible(query.session_id, context)
    rows = await context.database.fetch(
        f"SELECT {TOOL_CALL} FROM tool_calls WHERE session_id = $1 ORDER BY id LIMIT $2 OFFSET $3",
        query.session_id,
        query.limit,
        query.skip,
    )
    return Page(items=[ToolCallView(**row) for row in rows], total=session["total_tool_calls"])


@answers
async def get_tool_call(query: GetToolCall, context: Context) -> ToolCallView:
    """Give one tool call, whole."""
    await _visible(query.session_id, context)
    row = await context.database.fetchrow(
        "SELECT id, run_id, tool_name, tool_input, tool_output, status, duration_ms, created_at FROM tool_calls "
        "WHERE id = $1 AND session_id = $2",
        query.tool_call_id,
        query.session_id,
    )
    if row is None:
        raise Refusal(Code.TOOL_CALL_NOT_FOUND, f"There is no tool call {query.tool_call_id} in this session.")
    return ToolCallView(**row)


@answers
async def get_run(query: GetRun, context: Context) -> RunView:
    """Give one run, with its first tool calls."""
    await _visible(query.session_id, context)
    row = await context.database.fetchrow(
        f"SELECT {RUN}, m.id AS message_id, coalesce(m.content ->> 'content', '') AS text FROM runs r "
        "LEFT JOIN messages m ON m.session_id = r.session_id AND m.sequence_number = r.answer "
        "WHERE r.id = $1 AND r.session_id = $2",
        query.run_id,
        query.session_id,
    )
    if row is None:
        raise Refusal(Code.RUN_NOT_FOUND, f"There is no run {query.run_id} in session {query.session_id}.")
    calls = await context.database.fetch(
        f"SELECT {TOOL_USE} FROM tool_calls WHERE run_id = $1 ORDER BY id LIMIT $2", query.run_id, MOST_SHOWN
    )
    return RunView.model_validate({**_run(row), "tool_calls": [dict(call) for call in calls]})


@answers
async def list_runs(query: ListRuns, context: Context) -> Page[RunSummary]:
    """Give a session's runs, newest first."""
    await _visible(query.session_id, context)
    where = "r.session_id = $1 AND ($2::text IS NULL OR r.status = $2)"
    wanted = (query.session_id, query.status)
    total = await context.database.fetchval(f"SELECT count(*) FROM runs r WHERE {where}", *wanted)
    rows = await context.database.fetch(
        f"SELECT {RUN} FROM runs r WHERE {where} ORDER BY r.id DESC LIMIT {query.limit:d} OFFSET {query.skip:d}",
        *wanted,
    )
    return Page(items=[RunSummary.model_validate(_run(row)) for row in rows], total=total)


@answers
async def get_approval(query: GetApproval, context: Context) -> ApprovalView:
    """Give one approval."""
    row = await context.database.fetchrow(
        f"SELECT user_id, tool_input, {APPROVAL} FROM approvals WHERE id = $1", query.approval_id
    )
    if row is None or not context.actor.may_see(row["user_id"]):
        raise Refusal(Code.APPROVAL_NOT_FOUND, f"There is no approval {query.approval_id}.")
    return ApprovalView(**{name: value for name, value in row.items() if name != "user_id"})


@answers
async def list_approvals(query: ListApprovals, context: Context) -> Page[ApprovalView]:
    """Give the approvals of the actor's sessions, an admin all, newest first."""
    wanted: dict[str, Any] = {"status": query.status, "session_id": query.session_id}
    if context.actor.role != "admin":
        wanted["user_id"] = context.actor.user_id
    filters = {column: value for column, value in wanted.items() if value is not None}
    where = " AND ".join([f"{column} = ${n}" for n, column in enumerate(filters, start=1)] or ["true"])
    values = list(filters.values())
    total = await context.database.fetchval(f"SELECT count(*) FROM approvals WHERE {where}", *values)
    if query.after:
        values.append(query.after)
        where += f" AND id < ${len(values)}"
    rows = await context.database.fetch(
        f"SELECT {APPROVAL}, {_shown('tool_input')} FROM approvals WHERE {where} "
        f"ORDER BY id DESC LIMIT {query.limit:d} OFFSET {query.skip:d}",
        *values,
    )
    return Page(items=[ApprovalView(**row) for row in rows], total=total)


@answers
async def count_sessions(_query: CountSessions, context: Context) -> dict[str, int]:
    """Give how many sessions are in each status."""
    rows = await context.database.fetch("SELECT status, sum(n)::bigint AS n FROM session_counts GROUP BY status")
    return {row["status"]: row["n"] for row in rows}


async def _visible(session_id: UUID, context: Context) -> Row:
    row = await context.database.fetchrow("SELECT * FROM sessions WHERE id = $1", session_id)
    if row is None or not context.actor.may_see(row["user_id"]):
        raise Refusal(Code.SESSION_NOT_FOUND, f"There is no session {session_id}.")
    return row


def _run(row: Row) -> dict[str, Any]:
    usage = {name: row[name] for name in USAGE}
    return {**{name: value for name, value in row.items() if name not in usage}, "usage": usage}


def _session(row: Row) -> SessionView:
    """The path names the session's place among the workspaces; it is no path of the host."""
    parent = row["parent_session_id"]
    return SessionView.model_validate(
        {**row, "working_directory_path": f"/workspaces/{row['id']}", "is_fork": parent is not None}
    )
