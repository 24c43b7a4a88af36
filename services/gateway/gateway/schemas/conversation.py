"""What was said in a session, as clients see them."""

from typing import Annotated, Any
from uuid import UUID

from contracts.messages import Order
from contracts.samples import MESSAGE, RUN, TIME, TOOL_CALL
from contracts.session.conversation import MessageView, ToolCallView
from pydantic import Field

from gateway.schemas.lists import KeysetWindow, PageShown
from gateway.schemas.shown import Shown, example

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


class Message(MessageView, Shown):
    """A message of a session. Lists cut off large content."""

    model_config = example(_MESSAGE)


class ConversationWindow(KeysetWindow):
    """Which part of a conversation is asked for."""

    run_id: Annotated[UUID | None, Field(description="Give only what belongs to this run.")] = None
    order: Annotated[Order, Field(description="`desc`: newest first.", examples=["desc"])] = "asc"


class MessagePage(PageShown[Message]):
    """Messages, in their order or backwards."""


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


class ToolCall(ToolCallView, Shown):
    """A tool call of a session. Lists cut off large inputs and outputs."""

    model_config = example(_TOOL_CALL)


class ToolCallPage(PageShown[ToolCall]):
    """Tool calls, in their order or backwards."""
