"""The content of a report, which every format shows: the JSON format is this model."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from contracts.messages import Message
from contracts.report.values import ReportType
from pydantic import Field, JsonValue, PlainSerializer

Money = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]


class Totals(Message):
    """The sums over all runs of a report. Cost is in USD, `active_ms` is the time in which agents worked."""

    runs: int = 0
    messages: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Money = Decimal(0)
    active_ms: int = 0


class ToolUse(Message):
    """How often a tool was called, how often that failed, and how often it was denied."""

    name: str
    calls: int
    errors: int
    denied: int = 0
    total_ms: int


class ModelUse(Message):
    """The messages that a model wrote."""

    model: str
    messages: int


class ChangedFile(Message):
    """A file that the agent wrote or edited; `size_bytes` is None if it no longer exists. `diff` is a unified diff."""

    path: str
    writes: int
    size_bytes: int | None = None
    diff: str | None = None


class WorkspaceFile(Message):
    """A file of the workspace at the time of the report."""

    path: str
    size_bytes: int


class RunEntry(Message):
    """One query to the agent and how it ended."""

    id: UUID
    query: str
    answer: str
    status: str
    error_code: str | None = None
    error_detail: str | None = None
    started_at: datetime
    ended_at: datetime | None = None
    duration_ms: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Money = Decimal(0)


class ToolCallEntry(Message):
    """A tool call. `diff` is set for edits; input and output may be shortened, which `shortened` says."""

    id: UUID
    name: str
    status: str
    input: JsonValue
    output: JsonValue = None
    diff: str | None = None
    shortened: bool = False
    duration_ms: int | None = None
    at: datetime


class MessageEntry(Message):
    """A message of the conversation, as Markdown, and the tool calls that it requested; `run_id` is its run.

    It is `incomplete` if its run was cancelled, or failed, before the agent had written all of it.
    """

    id: UUID
    run_id: UUID | None = None
    role: Literal["user", "assistant"]
    model: str | None = None
    text: str
    shortened: bool = False
    incomplete: bool = False
    tool_calls: list[ToolCallEntry] = []
    at: datetime


class ApprovalEntry(Message):
    """A tool call that needed a decision."""

    tool_name: str
    status: str
    message: str | None = None
    at: datetime
    decided_at: datetime | None = None


class SessionSection(Message):
    """A session: what it was asked, what it did, and what it cost."""

    id: UUID
    name: str
    status: str
    mode: str
    model: str | None = None
    created_at: datetime
    ended_at: datetime | None = None
    totals: Totals
    tools: list[ToolUse] = []
    models: list[ModelUse] = []
    runs: list[RunEntry] = []
    approvals: list[ApprovalEntry] = []
    files_changed: list[ChangedFile] = []
    workspace: list[WorkspaceFile] = []
    messages: list[MessageEntry] = []


class ExecutionSection(Message):
    """An execution of a task, and its session if it has one and that still exists."""

    id: UUID
    status: str
    trigger: str
    scheduled_for: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error_code: str | None = None
    error_detail: str | None = None
    totals: Totals = Totals()
    session: SessionSection | None = None


class ReportContent(Message):
    """A report. A report about a session has one `session`, one about a task has its `executions`.

    `notes` say what was left out or shortened. `include_…` are the choices of the request; without metrics, cost and
    tokens are absent.
    """

    schema_version: Literal[1] = 1
    id: UUID
    title: str
    report_type: ReportType
    generated_at: datetime
    created_for: str = Field(default="", description="The name of the owner, if known.")
    task_name: str | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None
    include_messages: bool = True
    include_tool_calls: bool = True
    include_metrics: bool = True
    totals: Totals
    session: SessionSection | None = None
    executions: list[ExecutionSection] = []
    notes: list[str] = []


_METRICS = {"input_tokens", "output_tokens", "cost_usd"}
_OF_SESSION: dict[str, Any] = {"totals": _METRICS, "runs": {"__all__": _METRICS}}
METRICS: dict[str, Any] = {
    "totals": _METRICS,
    "session": _OF_SESSION,
    "executions": {"__all__": {"totals": _METRICS, "session": _OF_SESSION}},
}
"""Fields that a report without metrics leaves out, in the form of pydantic's `exclude`."""
