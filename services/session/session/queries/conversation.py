"""What is answered about messages and tool calls."""

# ruff: noqa: S608
# Statements are put together from the constants of this file; values are always parameters.

from contracts.messages import Page
from contracts.refusals import Code, Refusal
from contracts.session.queries import GetMessage, GetToolCall, ListMessages, ListToolCalls, MessageView, ToolCallView
from contracts.session.values import Order
from eventing.handling import Handlers

from session.queries.filters import Filters
from session.queries.paging import Listing
from session.queries.shown import TOOL_USE, shown, shown_content
from session.queries.visible import Context, visible

MESSAGE = "id, run_id, message_type, sequence_number, model, parent_tool_call_id, created_at"
TOOL_CALL = f"{TOOL_USE}, run_id, duration_ms, parent_tool_call_id, created_at, {shown('tool_output')}"
ORDERS: tuple[Order, ...] = ("asc", "desc")
MESSAGES = {
    order: Listing(
        f"{MESSAGE}, {shown_content('content')}", "messages", Code.MESSAGE_NOT_FOUND, order, key="sequence_number"
    )
    for order in ORDERS
}
TOOL_CALLS = {order: Listing(TOOL_CALL, "tool_calls", Code.TOOL_CALL_NOT_FOUND, order) for order in ORDERS}

answers = Handlers()


@answers
async def list_messages(query: ListMessages, context: Context) -> Page[MessageView]:
    """Give a session's messages, in their order or backwards."""
    session = await visible(query.session_id, context)
    filters = Filters(session_id=query.session_id, run_id=query.run_id)
    total = session["total_messages"] if query.run_id is None else await _count("messages", filters, context)
    rows, more = await MESSAGES[query.order].page(query, Filters(session_id=query.session_id), filters, context)
    return Page(items=[MessageView(**row) for row in rows], total=total, more=more)


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
    rows, more = await TOOL_CALLS[query.order].page(query, Filters(session_id=query.session_id), filters, context)
    return Page(items=[ToolCallView(**row) for row in rows], total=total, more=more)


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
