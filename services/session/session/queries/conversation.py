"""Handlers of queries about messages and tool calls."""

from uuid import UUID

from contracts.messages import Page
from contracts.session.conversation import (
    GetMessage,
    GetToolCall,
    ListMessageIds,
    ListMessages,
    ListToolCalls,
    MessageView,
    ToolCallView,
)
from eventing.database import Row
from eventing.handling import Handlers
from eventing.handling.reading import Filters, Listing

from session.dependencies import Context
from session.queries.previews import CONTENT, TOOL_INPUT, TOOL_OUTPUT, TOOL_USE
from session.queries.tables import MESSAGES, SESSIONS, TOOL_CALLS, visible

MESSAGE = "id, run_id, message_type, sequence_number, model, parent_tool_call_id, created_at, incomplete"
TOOL_CALL = "id, run_id, tool_name, tool_input, tool_output, status, duration_ms, parent_tool_call_id, created_at"
TOOL_CALL_LISTED = f"{TOOL_USE}, run_id, duration_ms, parent_tool_call_id, created_at, {TOOL_OUTPUT.sql}"


def _message(row: Row) -> MessageView:
    return MessageView.model_validate(CONTENT.shown(row))


def _tool_call(row: Row) -> ToolCallView:
    return ToolCallView.model_validate(TOOL_INPUT.shown(TOOL_OUTPUT.shown(row)))


MESSAGE_LISTING = Listing(MESSAGES, f"{MESSAGE}, {CONTENT.sql}", _message)
TOOL_CALL_LISTING = Listing(TOOL_CALLS, TOOL_CALL_LISTED, _tool_call)

answers = Handlers()


@answers
async def list_messages(query: ListMessages, context: Context) -> Page[MessageView]:
    """Return a session's messages, in their order or in reverse."""
    session = await visible(query.session_id, context)
    within, filters = Filters(session_id=query.session_id), Filters(run_id=query.run_id)
    total = session["total_messages"] if query.run_id is None else None
    return await MESSAGE_LISTING.page(query, context, filters, within=within, order=query.order, total=total)


@answers
async def get_message(query: GetMessage, context: Context) -> MessageView:
    """Return a message in full."""
    columns = f"{MESSAGE}, content"
    row = await MESSAGES.fetch_within(columns, query.message_id, context, SESSIONS, session_id=query.session_id)
    return MessageView(**row)


@answers
async def list_message_ids(query: ListMessageIds, context: Context) -> list[UUID]:
    """Return the ids of a session's messages, in their order."""
    session, within = await visible(query.session_id, context), Filters(session_id=query.session_id)
    if query.until:
        last = await MESSAGES.fetch("sequence_number", query.until, context, session_id=query.session_id)
        within.add("sequence_number <= {}", last["sequence_number"])
    rows, _ = await MESSAGES.first("id", session["total_messages"], within, context)
    return [row["id"] for row in rows]


@answers
async def list_tool_calls(query: ListToolCalls, context: Context) -> Page[ToolCallView]:
    """Return a session's tool calls, in their order or in reverse."""
    session = await visible(query.session_id, context)
    within, filters = Filters(session_id=query.session_id), Filters(run_id=query.run_id)
    total = session["total_tool_calls"] if query.run_id is None else None
    return await TOOL_CALL_LISTING.page(query, context, filters, within=within, order=query.order, total=total)


@answers
async def get_tool_call(query: GetToolCall, context: Context) -> ToolCallView:
    """Return a tool call in full."""
    within = {"session_id": query.session_id}
    return ToolCallView(**await TOOL_CALLS.fetch_within(TOOL_CALL, query.tool_call_id, context, SESSIONS, **within))
