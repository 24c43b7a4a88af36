"""What the session service answers."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import Field, JsonValue

from contracts.messages import Keyset, Message, Order, Page, Query
from contracts.refusals import Code
from contracts.samples import MESSAGE, RUN, SESSION, TOOL_CALL
from contracts.session.values import Mode, RunStatus, SdkOptions, SessionStatus, ToolStatus, Usage


class SessionSummary(Message):
    """A session as a list of sessions shows it."""

    id: UUID
    user_id: UUID
    name: str
    mode: Mode
    status: SessionStatus
    working_directory_path: str
    parent_session_id: UUID | None
    is_fork: bool
    ready: bool = True
    error_code: Code | None = None
    error_detail: str | None = None
    total_messages: int
    total_tool_calls: int
    total_cost_usd: Decimal
    api_input_tokens: int
    api_output_tokens: int
    created_at: datetime
    started_at: datetime | None
    updated_at: datetime


class SessionView(SessionSummary):
    """A session as its owner sees it."""

    sdk_options: SdkOptions
    metadata: dict[str, JsonValue]


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


class ToolUseView(Message):
    """A tool call as part of a run; what it gave is told by the tool call itself."""

    id: UUID
    tool_name: str
    tool_input: dict[str, Any]
    status: ToolStatus


class RunSummary(Message):
    """One query, and how far it is or how it ended; lists give the first 1,000 characters of `message`."""

    id: UUID
    session_id: UUID
    message: str
    status: RunStatus
    attempt: int
    error_code: Code | None
    error_detail: str | None
    usage: Usage
    created_at: datetime
    ended_at: datetime | None


class RunView(RunSummary):
    """One query and what came of it.

    `text` is the agent's last words, and `message_id` the message that has them; when it only used tools, its last
    message. `more_tool_calls` tells that it made more calls than `tool_calls` has: the list of tool calls goes on.
    """

    message_id: UUID | None
    text: str
    structured_output: JsonValue
    tool_calls: list[ToolUseView]
    more_tool_calls: bool = False


class GetSession(Query[SessionView]):
    """Asks for one session."""

    subject = "qry.session.get"
    sample = {"session_id": SESSION}

    session_id: UUID


class ListSessions(Keyset, Query[Page[SessionSummary]]):
    """Asks for the actor's sessions, newest first."""

    subject = "qry.session.list"
    sample = {"status": "active", "limit": 20}

    status: SessionStatus | None = None
    mode: Mode | None = None


class ListMessages(Keyset, Query[Page[MessageView]]):
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


class ListToolCalls(Keyset, Query[Page[ToolCallView]]):
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


class GetRun(Query[RunView]):
    """Asks for one run of a session."""

    subject = "qry.session.get_run"
    sample = {"session_id": SESSION, "run_id": RUN}

    session_id: UUID
    run_id: UUID


class GetRunSummary(Query[RunSummary]):
    """Asks how far one run of a session is, without what came of it: cheap enough to be asked again and again."""

    subject = "qry.session.get_run_summary"
    sample = {"session_id": SESSION, "run_id": RUN}

    session_id: UUID
    run_id: UUID


class ListRuns(Keyset, Query[Page[RunSummary]]):
    """Asks for a session's runs, newest first."""

    subject = "qry.session.list_runs"
    sample = {"session_id": SESSION, "status": "queued"}

    session_id: UUID
    status: RunStatus | None = None


class FindSessions(Query[list[UUID]]):
    """Asks which of these sessions exist for the actor."""

    subject = "qry.session.find"
    sample = {"session_ids": [SESSION]}

    session_ids: list[UUID] = Field(max_length=1000)


class CheckSession(Query[dict[str, str]]):
    """Asks what the service depends on, and how that is: `ok`, or what is wrong."""

    subject = "qry.session.check"
    sample = {}


class CountSessions(Query[dict[str, int]]):
    """Asks how many sessions of all users are in each status."""

    subject = "qry.session.count"
    sample = {}
