"""What is answered about messages and tool calls."""

from contracts.messages import Page
from contracts.session.conversation import (
    GetMessage,
    GetToolCall,
    ListMessages,
    ListToolCalls,
    MessageView,
    ToolCallView,
)
from eventing.handling import Handlers
from eventing.reading import Filters, Listing

from session.queries.shown import TOOL_USE, shown, shown_content
from session.queries.tables import MESSAGES, TOOL_CALLS, visible
from session.tools import Context

MESSAGE = "id, run_id, message_type, sequence_number, model, parent_tool_call_id, created_at"
TOOL_CALL = "id, run_id, tool_name, tool_input, tool_output, status, duration_ms, parent_tool_call_id, created_at"
TOOL_CALL_LISTED = f"{TOOL_USE}, run_id, duration_ms, parent_tool_call_id, created_at, {shown('tool_output')}"
MESSAGE_LISTING = Listing(MESSAGES, f"{MESSAGE}, {shown_content('content')}", MessageView.model_validate)
TOOL_CALL_LISTING = Listing(TOOL_CALLS, TOOL_CALL_LISTED, ToolCallView.model_validate)

answers = Handlers()


@answers
async def list_messages(query: ListMessages, context: Context) -> Page[MessageView]:
    """Give a session's messages, in their order or backwards."""
    session = await visible(query.session_id, context)
    within, filters = Filters(session_id=query.session_id), Filters(run_id=query.run_id)
    total = session["total_messages"] if query.run_id is None else None
    return await MESSAGE_LISTING.page(query, context, filters, within=within, order=query.order, total=total)


@answers
async def get_message(query: GetMessage, context: Context) -> MessageView:
    """Give one message, whole."""
    await visible(query.session_id, context)
    row = await MESSAGES.fetch(f"{MESSAGE}, content", query.message_id, context, session_id=query.session_id)
    return MessageView(**row)


@answers
async def list_tool_calls(query: ListToolCalls, context: Context) -> Page[ToolCallView]:
    """Give a session's tool calls, in their order or backwards."""
    session = await visible(query.session_id, context)
    within, filters = Filters(session_id=query.session_id), Filters(run_id=query.run_id)
    total = session["total_tool_calls"] if query.run_id is None else None
    return await TOOL_CALL_LISTING.page(query, context, filters, within=within, order=query.order, total=total)


@answers
async def get_tool_call(query: GetToolCall, context: Context) -> ToolCallView:
    """Give one tool call, whole."""
    await visible(query.session_id, context)
    return ToolCallView(**await TOOL_CALLS.fetch(TOOL_CALL, query.tool_call_id, context, session_id=query.session_id))
