"""All messages about the conversation of a session: its messages and tool calls."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from contracts.messages import Command, KeysetWindow, Order, Page, ProgressEvent, Query, View
from contracts.samples import MESSAGE, RUN, SESSION, TIME, TOOL_CALL
from contracts.session.values import (
    Block,
    ToolStatus,
)


class MessageView(View):
    """One message of the conversation; `content` is `{"content": text, "blocks": [...]}`.

    `parent_tool_call_id` is the tool call that started the subagent that wrote the message; null for the agent itself.
    In lists, content of more than 16 KiB is `{"content": its beginning, "truncated": true, "size_bytes": n}`.
    """

    sample = {
        "id": MESSAGE,
        "run_id": RUN,
        "message_type": "assistant",
        "content": {"content": "Hi there!", "blocks": [{"type": "text", "text": "Hi there!"}]},
        "sequence_number": 2,
        "model": "claude-sonnet-4-5",
        "parent_tool_call_id": None,
        "created_at": TIME,
        "incomplete": False,
    }

    id: UUID = Field(description="Id of the message.")
    run_id: UUID = Field(description="Id of the run that the message belongs to.")
    message_type: Literal["user", "assistant"] = Field(description="Who wrote the message: `user` or `assistant`.")
    content: dict[str, Any] = Field(description="The text, and for messages of the agent the blocks.")
    sequence_number: int = Field(description="Position of the message in the conversation.")
    model: str | None = Field(description="Model that wrote the message; null for messages of the user.")
    parent_tool_call_id: UUID | None = Field(
        description="Id of the tool call that started the subagent; null for the agent itself."
    )
    created_at: datetime = Field(description="Time of creation.")
    incomplete: bool = Field(
        default=False, description="Whether the run was cancelled, or failed, before the agent had written all of it."
    )


class ToolCallView(View):
    """One tool call; `tool_output` is null until it ends. `parent_tool_call_id` is as in messages.

    In lists, input and output of more than 16 KiB are `{"truncated": true, "size_bytes": n, "preview": "…"}`, where
    `preview` is the beginning of their JSON.
    """

    sample = {
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

    id: UUID = Field(description="Id of the tool call.")
    run_id: UUID = Field(description="Id of the run that made the call.")
    tool_name: str = Field(description="Name of the tool.")
    tool_input: dict[str, Any] = Field(description="Input of the tool.")
    tool_output: dict[str, Any] | None = Field(description="Output of the tool; null until it ends.")
    status: ToolStatus = Field(description="Current status.")
    duration_ms: int | None = Field(
        description="Milliseconds from the start of the call, after any approval, to its result; null if unknown."
    )
    parent_tool_call_id: UUID | None = Field(
        description="Id of the tool call that started the subagent; null for the agent itself."
    )
    created_at: datetime = Field(description="Time of creation.")


class ListMessages(KeysetWindow, Query[Page[MessageView]]):
    """Return the messages of a session, oldest first, or newest first if `order` is `desc`."""

    subject = "qry.session.list_messages"
    senders = ("gateway", "report")
    sample = {"session_id": SESSION, "order": "desc"}

    session_id: UUID
    run_id: UUID | None = None
    order: Order = "asc"


class GetMessage(Query[MessageView]):
    """Return one message, not truncated."""

    subject = "qry.session.get_message"
    senders = ("gateway", "report")
    sample = {"session_id": SESSION, "message_id": MESSAGE}

    session_id: UUID
    message_id: UUID


class ListMessageIds(Query[list[UUID]]):
    """Return the ids of a session's messages in order, up to and including `until` if given."""

    subject = "qry.session.list_message_ids"
    senders = ()
    sample = {"session_id": SESSION, "until": MESSAGE}

    session_id: UUID
    until: UUID | None = None


class ListToolCalls(KeysetWindow, Query[Page[ToolCallView]]):
    """Return the tool calls of a session, oldest first, or newest first if `order` is `desc`."""

    subject = "qry.session.list_tool_calls"
    senders = ("gateway", "report")
    sample = {"session_id": SESSION, "run_id": RUN}

    session_id: UUID
    run_id: UUID | None = None
    order: Order = "asc"


class GetToolCall(Query[ToolCallView]):
    """Return one tool call, not truncated."""

    subject = "qry.session.get_tool_call"
    senders = ("gateway", "report")
    sample = {"session_id": SESSION, "tool_call_id": TOOL_CALL}

    session_id: UUID
    tool_call_id: UUID


class RecordMessage(Command[None]):
    """Record a message of the agent, or of the subagent that `parent_tool_use_id` started, with its tool calls.

    `attempt` fences a worker that was replaced. `entry_id` is the id of its first entry in the transcript. Of a run
    that was ended without its agent, only an `incomplete` message is recorded.
    """

    subject = "cmd.session.record_message"
    senders = ()
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
    entry_id: UUID | None = None
    incomplete: bool = False


class RecordToolResult(Command[None]):
    """Record the end of a tool call. `attempt` fences a worker that was replaced.

    The output of a call that was `denied` says why it was not made.
    """

    subject = "cmd.session.record_tool_result"
    senders = ()
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
    denied: bool = False
    duration_ms: int = Field(ge=0)


class MessageRecorded(ProgressEvent):
    """The agent, or the subagent that the parent tool call started, wrote a message; an `incomplete` one was cut off.

    `entry_id` is the id of its first entry in the transcript, from which forks are copied; None: it is `message_id`.
    """

    subject = "evt.session.message_recorded"
    sample = {
        "run_id": RUN,
        "message_id": MESSAGE,
        "sequence_number": 2,
        "blocks": [{"type": "text", "text": "Hi there!"}],
        "model": "claude-sonnet-4-5",
    }

    internal = frozenset({"entry_id"})

    run_id: UUID
    message_id: UUID
    sequence_number: int
    blocks: list[Block]
    model: str
    parent_tool_call_id: UUID | None = None
    entry_id: UUID | None = None
    incomplete: bool = False


class ToolCallStarted(ProgressEvent):
    """The agent, or the subagent that the parent tool call started, called a tool."""

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


class ToolCallEnded(ProgressEvent):
    """A tool call ended.

    Its status is `interrupted` if the run ended first, `denied` if the call was not made, and `unknown` if its worker
    or agent was lost, so that the call may have had an effect or not.
    """

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
    status: Literal["success", "error", "denied", "interrupted", "unknown"]
    tool_output: dict[str, Any] | None
    duration_ms: int | None


ConversationEvent = MessageRecorded | ToolCallStarted | ToolCallEnded
