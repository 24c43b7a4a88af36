"""The conversation of a session: `/api/v1/sessions/{session_id}/messages` and `…/tool-calls`."""

from typing import Annotated
from uuid import UUID

from contracts.refusals import Code
from contracts.session.conversation import GetMessage, GetToolCall, ListMessages, ListToolCalls
from fastapi import APIRouter, Query, Request, Response

from gateway.clients.authentication import Caller
from gateway.problems import documented
from gateway.routing.api_route import ApiRoute
from gateway.schemas.conversation import ConversationWindow, Message, MessagePage, ToolCall, ToolCallPage

router = APIRouter(prefix="/api/v1/sessions/{session_id}", tags=["Sessions"], route_class=ApiRoute)


@router.get(
    "/messages",
    operation_id="listMessages",
    summary="List messages",
    response_model=MessagePage,
    responses=documented(Code.SESSION_NOT_FOUND, Code.MESSAGE_NOT_FOUND),
)
async def messages(
    session_id: UUID, window: Annotated[ConversationWindow, Query()], caller: Caller, request: Request
) -> Response:
    """Returns the messages of the session, oldest first unless `order=desc`.

    Of content larger than 16 KiB, only the beginning and the size are returned.
    """
    page = await caller.ask(ListMessages(session_id=session_id, **window.model_dump()))
    return MessagePage.over(page, window, request).response()


@router.get(
    "/messages/{message_id}",
    operation_id="getMessage",
    summary="Get a message",
    response_model=Message,
    responses=documented(Code.SESSION_NOT_FOUND, Code.MESSAGE_NOT_FOUND),
)
async def message(session_id: UUID, message_id: UUID, caller: Caller) -> Response:
    """Returns the whole message, whatever its size."""
    return Message.of(await caller.ask(GetMessage(session_id=session_id, message_id=message_id))).response()


@router.get(
    "/tool-calls",
    operation_id="listToolCalls",
    summary="List tool calls",
    response_model=ToolCallPage,
    responses=documented(Code.SESSION_NOT_FOUND, Code.TOOL_CALL_NOT_FOUND),
)
async def tool_calls(
    session_id: UUID, window: Annotated[ConversationWindow, Query()], caller: Caller, request: Request
) -> Response:
    """Returns the tool calls of the session, oldest first unless `order=desc`.

    `tool_output` is null while the tool runs. Of inputs and outputs larger than 16 KiB, only the beginning and the size
    are returned.
    """
    page = await caller.ask(ListToolCalls(session_id=session_id, **window.model_dump()))
    return ToolCallPage.over(page, window, request).response()


@router.get(
    "/tool-calls/{tool_call_id}",
    operation_id="getToolCall",
    summary="Get a tool call",
    response_model=ToolCall,
    responses=documented(Code.SESSION_NOT_FOUND, Code.TOOL_CALL_NOT_FOUND),
)
async def tool_call(session_id: UUID, tool_call_id: UUID, caller: Caller) -> Response:
    """Returns the tool call with its whole input and output, whatever their size."""
    view = await caller.ask(GetToolCall(session_id=session_id, tool_call_id=tool_call_id))
    return ToolCall.of(view).response()
