"""The conversation of a session: every message about what was said and which tools were used."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from contracts.messages import Command, Event, KeysetWindow, Message, Order, Page, Query
from contracts.samples import MESSAGE, RUN, SESSION, TOOL_CALL
from contracts.session.values import (
    Block,
    ToolStatus,
)


class MessageView(Message):
    """One message of the conversation; `content` is `{"content": text, "blocks": [...]}`.

    `parent_tool_call_id` is the tool call that started the subagent who said it; None for the agent itself.
    In lists, content of more than 16 KiB is `{"content": its beginning, "truncated": true, "size_bytes": n}`.
    """

    id: UUID
    run_id: UUID
    message_type: Literal["user", "assistant"]
    content: dict[str, Any]
    sequence_number: int
    model: str | None
    parent_tool_call_id: UUID | None
    created_at: datetime


class ToolCallView(Message):
    """One use of a tool; `tool_output` is None until it ends. `parent_tool_call_id` as with messages.

    In lists, input and output of more than 16 KiB are `{"truncated": true, "size_bytes": n, "preview": "…"}`, with the
    first words of their JSON.
    """

    id: UUID
    run_id: UUID
    tool_name: str
    tool_input: dict[str, Any]
    tool_output: dict[str, Any] | None
    status: ToolStatus
    duration_ms: int | None
    parent_tool_call_id: UUID | None
    created_at: datetime


class ListMessages(KeysetWindow, Query[Page[MessageView]]):
    """Asks for a session's messages, oldest first, or newest if `desc`."""

    subject = "qry.session.list_messages"
    sample = {"session_id": SESSION, "order": "desc"}

    session_id: UUID
    run_id: UUID | None = None
    order: Order = "asc"


class GetMessage(Query[MessageView]):
    """Asks for one message, whole."""

    subject = "qry.session.get_message"
    sample = {"session_id": SESSION, "message_id": MESSAGE}

    session_id: UUID
    message_id: UUID


class ListMessageIds(Query[list[UUID]]):
    """Asks for the ids of all of a session's messages in their order, up to one if it is named."""

    subject = "qry.session.list_message_ids"
    sample = {"session_id": SESSION, "until": MESSAGE}

    session_id: UUID
    until: UUID | None = None


class ListToolCalls(KeysetWindow, Query[Page[ToolCallView]]):
    """Asks for a session's tool calls, oldest first, or newest if `desc`."""

    subject = "qry.session.list_tool_calls"
    sample = {"session_id": SESSION, "run_id": RUN}

    session_id: UUID
    run_id: UUID | None = None
    order: Order = "asc"


class GetToolCall(Query[ToolCallView]):
    """Asks for one tool call, whole."""

    subject = "qry.session.get_tool_call"
    sample = {"session_id": SESSION, "tool_call_id": TOOL_CALL}

    session_id: UUID
    tool_call_id: UUID


class RecordMessage(Command[None]):
    """The agent said something, and may have called tools in it; a subagent did, if a tool call is the parent.

    A worker that was replaced is refused by `attempt`.
    """

    subject = "cmd.session.record_message"
    sample = {
        "session_id": SESSION,
        "run_id": RUN,
        "attempt": 1,
        "message_id": MESSAGE,
        "blocks": [
            {"type": "text", "text": "Reading it."},
            {
                "type": "tool_use",
                "id": "toolu_1",
                "tool_call_id": TOOL_CALL,
                "name": "Read",
                "input": {"file_path": "/workspace/a"},
            },
        ],
        "model": "claude-sonnet-4-5",
    }

    session_id: UUID
    run_id: UUID
    attempt: int
    message_id: UUID
    blocks: list[Block]
    model: str
    parent_tool_use_id: str | None = None


class RecordToolResult(Command[None]):
    """A tool call ended. A worker that was replaced is refused by `attempt`."""

    subject = "cmd.session.record_tool_result"
    sample = {
        "session_id": SESSION,
        "run_id": RUN,
        "attempt": 1,
        "tool_use_id": "toolu_1",
        "output": {"content": "hello"},
        "is_error": False,
        "duration_ms": 12,
    }

    session_id: UUID
    run_id: UUID
    attempt: int
    tool_use_id: str
    output: dict[str, Any]
    is_error: bool
    duration_ms: int = Field(ge=0)


class MessageRecorded(Event):
    """The agent said something; if a tool call is the parent, a subagent that it started did."""

    subject = "evt.session.message_recorded"
    sample = {
        "run_id": RUN,
        "message_id": MESSAGE,
        "sequence_number": 2,
        "blocks": [{"type": "text", "text": "Hi there!"}],
        "model": "claude-sonnet-4-5",
    }

    run_id: UUID
    message_id: UUID
    sequence_number: int
    blocks: list[Block]
    model: str
    parent_tool_call_id: UUID | None = None


class ToolCallStarted(Event):
    """The agent began to use a tool; if another tool call is the parent, a subagent that it started did."""

    subject = "evt.session.tool_call_started"
    sample = {
        "run_id": RUN,
        "tool_call_id": TOOL_CALL,
        "tool_use_id": "toolu_1",
        "tool_name": "Read",
        "tool_input": {"file_path": "/workspace/a"},
    }

    run_id: UUID
    tool_call_id: UUID
    tool_use_id: str
    tool_name: str
    tool_input: dict[str, Any]
    parent_tool_call_id: UUID | None = None


class ToolCallEnded(Event):
    """A tool call came to its end; `interrupted` when its run ended first."""

    subject = "evt.session.tool_call_ended"
    sample = {
        "run_id": RUN,
        "tool_call_id": TOOL_CALL,
        "tool_use_id": "toolu_1",
        "status": "success",
        "tool_output": {"content": "hello"},
        "duration_ms": 12,
    }

    run_id: UUID
    tool_call_id: UUID
    tool_use_id: str
    status: Literal["success", "error", "interrupted"]
    tool_output: dict[str, Any] | None
    duration_ms: int | None


ConversationEvent = MessageRecorded | ToolCallStarted | ToolCallEnded
