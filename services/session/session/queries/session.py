"""What the session service answers, from its read models."""

# ruff: noqa: S608
# Statements are put together from the constants of this file; values are always parameters.

from typing import Any
from uuid import UUID

from contracts.messages import Page
from contracts.refusals import Code, Refusal
from contracts.session.queries import (
    CountSessions,
    GetRun,
    GetSession,
    ListMessages,
    ListSessions,
    ListToolCalls,
    MessageView,
    RunView,
    SessionView,
    ToolCallView,
)
from eventing.database import Row
from eventing.handling import Handlers, QueryContext

from session.tools import Tools

TOOL_CALL = "id, run_id, tool_name, tool_input, tool_output, status, duration_ms, created_at"
USAGE = ("duration_ms", "input_tokens", "output_tokens", "cost_usd")
RUN = "r.id, r.session_id, r.status, r.attempt, r.error_code, r.error_detail, r.created_at, r.ended_at"
RUN_MORE = "r.structured_output, " + ", ".join(f"r.{name}" for name in USAGE)

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
async def get_run(query: GetRun, context: Context) -> RunView:
    """Give one run, with its tool calls."""
    await _visible(query.session_id, context)
    row = await context.database.fetchrow(
        f"SELECT {RUN}, {RUN_MORE}, m.id AS message_id, coalesce(m.content ->> 'content', '') AS text FROM runs r "
        "LEFT JOIN messages m ON m.session_id = r.session_id AND m.sequence_number = r.answer "
        "WHERE r.id = $1 AND r.session_id = $2",
        query.run_id,
        query.session_id,
    )
    if row is None:
        raise Refusal(Code.RUN_NOT_FOUND, f"There is no run {query.run_id} in session {query.session_id}.")
    calls = await context.database.fetch(
        f"SELECT {TOOL_CALL} FROM tool_calls WHERE run_id = $1 ORDER BY id", query.run_id
    )
    usage = {name: row[name] for name in USAGE}
    rest = {name: value for name, value in row.items() if name not in usage}
    return RunView.model_validate({**rest, "usage": usage, "tool_calls": [dict(call) for call in calls]})


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


def _session(row: Row) -> SessionView:
    """The path names the session's place among the workspaces; it is no path of the host."""
    parent = row["parent_session_id"]
    return SessionView.model_validate(
        {**row, "working_directory_path": f"/workspaces/{row['id']}", "is_fork": parent is not None}
    )
