"""What is answered about messages and tool calls."""

# ruff: noqa: S608
# Statements are put together from the constants of this file; values are always parameters.

from contracts.messages import Page
from contracts.refusals import Code, Refusal
from contracts.session.queries import GetToolCall, ListMessages, ListToolCalls, MessageView, ToolCallView
from eventing.handling import Handlers

from session.queries.shown import TOOL_USE, shown
from session.queries.visible import Context, visible

TOOL_CALL = f"{TOOL_USE}, run_id, duration_ms, created_at, {shown('tool_output')}"

answers = Handlers()


@answers
async def list_messages(query: ListMessages, context: Context) -> Page[MessageView]:
    """Give a session's messages, oldest first."""
    session = await visible(query.session_id, context)
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
    session = await visible(query.session_id, context)
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
    await visible(query.session_id, context)
    row = await context.database.fetchrow(
        "SELECT id, run_id, tool_name, tool_input, tool_output, status, duration_ms, created_at FROM tool_calls "
        "WHERE id = $1 AND session_id = $2",
        query.tool_call_id,
        query.session_id,
    )
    if row is None:
        raise Refusal(Code.TOOL_CALL_NOT_FOUND, f"There is no tool call {query.tool_call_id} in this session.")
    return ToolCallView(**row)
