"""What the session service tells: the facts of a Session."""

from typing import Any, Literal
from uuid import UUID

from pydantic import Field, JsonValue

from contracts.messages import Event
from contracts.refusals import Code
from contracts.samples import MESSAGE, RUN, TOOL_CALL, USER
from contracts.session.approvals import ApprovalDecided, ApprovalRequested, DecisionDelivered
from contracts.session.archives import (
    ArchiveFailed,
    ArchiveRequested,
    SessionArchived,
    SessionUnarchived,
    UnarchiveFailed,
    UnarchiveRequested,
)
from contracts.session.forks import ForkCompleted, ForkFailed, SessionForked
from contracts.session.values import Block, CancelReason, Mode, SdkOptions, Usage


class SessionCreated(Event):
    """A session exists."""

    subject = "evt.session.created"
    sample = {"user_id": USER, "name": "My Investigation Session", "mode": "interactive", "sdk_options": {}}

    user_id: UUID
    name: str
    mode: Mode
    sdk_options: SdkOptions
    template_id: UUID | None = None


class SessionChanged(Event):
    """A session is another now: as this fact says, in all these fields. The values of `env` are hidden."""

    subject = "evt.session.changed"
    sample = {"user_id": USER, "name": "Renamed", "sdk_options": {"max_turns": 5}, "metadata": {"ticket": 42}}

    user_id: UUID
    name: str
    sdk_options: SdkOptions
    metadata: dict[str, JsonValue]


class EnvironmentSet(Event):
    """The session's agent has these variables from now on. Their values are secrets."""

    subject = "evt.session.environment_set"
    published = False
    sample = {"variables": {"TOKEN": "secret"}}

    variables: dict[str, str] = Field(repr=False)


class RunQueued(Event):
    """Someone asked the agent something, and it has to wait for its turn; no worker sees it before."""

    subject = "evt.session.run_queued"
    sample = {"run_id": RUN, "message_id": MESSAGE, "message": "Hello"}

    run_id: UUID
    message_id: UUID
    message: str


class RunRequested(Event):
    """It is the run's turn; a worker is to take it up."""

    subject = "evt.session.run_requested"
    sample = {"run_id": RUN, "message_id": MESSAGE, "sequence_number": 1, "message": "Hello"}

    run_id: UUID
    message_id: UUID
    sequence_number: int
    message: str


class RunStarted(Event):
    """A worker has the run."""

    subject = "evt.session.run_started"
    sample = {"run_id": RUN, "attempt": 1}

    run_id: UUID
    attempt: int


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


class RunCompleted(Event):
    """The agent answered."""

    subject = "evt.session.run_completed"
    sample = {"run_id": RUN, "usage": {"duration_ms": 3250}}

    run_id: UUID
    usage: Usage
    structured_output: JsonValue = None


class RunFailed(Event):
    """The run ended without an answer; what was said before stays."""

    subject = "evt.session.run_failed"
    sample = {
        "run_id": RUN,
        "error_code": "MODEL_ERROR",
        "error_detail": "The model answered 529.",
        "usage": {},
    }

    run_id: UUID
    error_code: Code
    error_detail: str
    usage: Usage


class RunCancelled(Event):
    """Somebody ended the run before its time, while it waited or while it went; what was said before stays."""

    subject = "evt.session.run_cancelled"
    sample = {"run_id": RUN, "reason": "requested", "usage": {}}

    run_id: UUID
    reason: CancelReason
    usage: Usage


class UsageRecorded(Event):
    """What a run used that was ended before its agent could say so."""

    subject = "evt.session.usage_recorded"
    sample = {"run_id": RUN, "usage": {"cost_usd": "0.0012"}}

    run_id: UUID
    usage: Usage


class SessionPaused(Event):
    """No run of the session is requested until it is resumed; one that is going ends as ever."""

    subject = "evt.session.paused"
    sample = {}


class SessionResumed(Event):
    """The session goes on with what has queued up."""

    subject = "evt.session.resumed"
    sample = {}


class SessionDeleted(Event):
    """The session is gone for its users."""

    subject = "evt.session.deleted"
    sample = {"user_id": USER}

    user_id: UUID


type SessionFact = (
    SessionCreated
    | SessionChanged
    | EnvironmentSet
    | RunQueued
    | RunRequested
    | RunStarted
    | MessageRecorded
    | ToolCallStarted
    | ToolCallEnded
    | ApprovalRequested
    | ApprovalDecided
    | DecisionDelivered
    | RunCompleted
    | RunFailed
    | RunCancelled
    | UsageRecorded
    | SessionPaused
    | SessionResumed
    | SessionDeleted
    | SessionForked
    | ForkCompleted
    | ForkFailed
    | ArchiveRequested
    | SessionArchived
    | ArchiveFailed
    | UnarchiveRequested
    | SessionUnarchived
    | UnarchiveFailed
)
