"""What is answered about messages and tool calls."""

# ruff: noqa: S608
# Statements are put together from the constants of this file; values are always parameters.

from contracts.messages import Page
from contracts.refusals import Code, Refusal
from contracts.session.queries import GetMessage, GetToolCall, ListMessages, ListToolCalls, MessageView, ToolCallView
from contracts.session.values import Order
from eventing.handling import Handlers

from session.queries.filters import Filters
from session.queries.shown import TOOL_USE, shown, shown_content
from session.queries.visible import Context, visible

MESSAGE = "id, run_id, message_type, sequence_number, model, parent_tool_call_id, created_at"
TOOL_CALL = f"{TOOL_USE}, run_id, duration_ms, parent_tool_call_id, created_at, {shown('tool_output')}"
BEYOND: dict[Order, str] = {"asc": ">", "desc": "<"}

answers = Handlers()


@answers
async def list_messages(query: ListMessages, context: Context) -> Page[MessageView]:
    """Give a session's messages, in their order or backwards."""
    session = await visible(query.session_id, context)
    filters = Filters(session_id=query.session_id, run_id=query.run_id)
    total = session["total_messages"] if query.run_id is None else await _count("messages", filters, context)
    if query.after:
        last = await get_message(GetMessage(session_id=query.session_id, message_id=query.after), context)
        filters.add(f"sequence_number {BEYOND[query.order]} {{}}", last.sequence_number)
    rows = await context.database.fetch(
        f"SELECT {MESSAGE}, {shown_content('content')} FROM messages WHERE {filters.where} "
        f"ORDER BY sequence_number {query.order} LIMIT {query.limit:d} OFFSET {query.skip:d}",
        *filters.values,
    )
    return Page(items=[MessageView(**row) for row in rows], total=total)


@answers
async def get_message(query: GetMessage, context: Context) -> MessageView:
    """Give one message, whole."""
    await visible(query.session_id, context)
    row = await context.database.fetchrow(
        f"SELECT {MESSAGE}, content FROM messages WHERE session_id = $1 AND id = $2", query.session_id, query.message_id
    )
    if row is None:
        raise Refusal(Code.MESSAGE_NOT_FOUND, f"There is no message {query.message_id} in this session.")
    return MessageView(**row)


@answers
async def list_tool_calls(query: ListToolCalls, context: Context) -> Page[ToolCallView]:
    """Give a session's tool calls, in their order or backwards."""
    session = await visible(query.session_id, context)
    filters = Filters(session_id=query.session_id, run_id=query.run_id)
    total = session["total_tool_calls"] if query.run_id is None else await _count("tool_calls", filters, context)
    filters.add(f"id {BEYOND[query.order]} {{}}", query.after)
    rows = await context.database.fetch(
        f"SELECT {TOOL_CALL} FROM tool_calls WHERE {filters.where} "
        f"ORDER BY id {query.order} LIMIT {query.limit:d} OFFSET {query.skip:d}",
        *filters.values,
    )
    return Page(items=[ToolCallView(**row) for row in rows], total=total)


@answers
async def get_tool_call(query: GetToolCall, context: Context) -> ToolCallView:
    """Give one tool call, whole."""
    await visible(query.session_id, context)
    row = await context.database.fetchrow(
        "SELECT id, run_id, tool_name, tool_input, tool_output, status, duration_ms, parent_tool_call_id, "
        "created_at FROM tool_calls WHERE id = $1 AND session_id = $2",
        query.tool_call_id,
        query.session_id,
    )
    if row is None:
        raise Refusal(Code.TOOL_CALL_NOT_FOUND, f"There is no tool call {query.tool_call_id} in this session.")
    return ToolCallView(**row)


async def _count(table: str, filters: Filters, context: Context) -> int:
    return await context.database.fetchval(f"SELECT count(*) FROM {table} WHERE {filters.where}", *filters.values)
