"""Models of messages and tool calls."""

from typing import Annotated, Any
from uuid import UUID

from contracts.messages import Order
from contracts.samples import MESSAGE, RUN, TIME, TOOL_CALL
from contracts.session.conversation import MessageView, ToolCallView
from pydantic import Field

from gateway.schemas.base import ResponseModel, example
from gateway.schemas.lists import KeysetWindow, ListPage

_MESSAGE: dict[str, Any] = {
    "id": MESSAGE,
    "run_id": RUN,
    "message_type": "assistant",
    "content": {"content": "Hi there!", "blocks": [{"type": "text", "text": "Hi there!"}]},
    "sequence_number": 2,
    "model": "claude-sonnet-4-5",
    "parent_tool_call_id": None,
    "created_at": TIME,
}


class Message(MessageView, ResponseModel):
    """A message with its full content."""

    model_config = example(_MESSAGE)


class ConversationWindow(KeysetWindow):
    """Query parameters of the lists of messages and tool calls."""

    run_id: Annotated[UUID | None, Field(description="Return only items of this run.")] = None
    order: Annotated[Order, Field(description="`asc`: oldest first; `desc`: newest first.", examples=["desc"])] = "asc"


class MessagePage(ListPage[Message]):
    """A page of messages."""


_TOOL_CALL: dict[str, Any] = {
    "id": TOOL_CALL,
    "run_id": RUN,
    "tool_name": "Read",
    "tool_input": {"file_path": "/workspace/app.log"},
    "tool_output": {"content": "All is well."},
    "status": "success",
    "duration_ms": 120,
    "parent_tool_call_id": None,
    "created_at": TIME,
}


class ToolCall(ToolCallView, ResponseModel):
    """A tool call with its full input and output."""

    model_config = example(_TOOL_CALL)


class ToolCallPage(ListPage[ToolCall]):
    """A page of tool calls."""
