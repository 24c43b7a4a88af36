"""Value types of sessions."""

from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, JsonValue, PlainSerializer, PositiveFloat, PositiveInt, ValidationInfo, field_validator

from contracts.messages import Message
from contracts.secrets import masked

type Mode = Literal["interactive", "non_interactive", "forked"]
type TemplateMode = Literal["interactive", "non_interactive"]
type SessionStatus = Literal[
    "created", "active", "processing", "waiting", "paused", "completed", "failed", "terminated", "archived"
]
"""`completed` is the status of a non-interactive session after its last run. `terminated` is never stored: streams
report it for a deleted session."""
type RunStatus = Literal["queued", "running", "waiting_approval", "completed", "failed", "cancelled"]
type OnBusy = Literal["reject", "enqueue", "interrupt"]
type CancelReason = Literal["requested", "interrupted", "session_deleted"]
type ReleaseReason = Literal["approval", "handover"]
type ResumeReason = Literal["lost", "handover", "agent_died"]
type ToolStatus = Literal["running", "waiting_approval", "success", "error", "denied", "interrupted", "unknown"]
"""`denied`: the call was not made, because a person, an expired approval, the permission mode or a rule denied it.
`interrupted`: its run ended first, or its agent was restarted.
`unknown`: its worker or agent was lost during the call, which may have had an effect or not."""
type ApprovalStatus = Literal["pending", "approved", "denied", "expired"]
type Decision = Literal["approved", "denied", "expired"]
type Remember = Literal["once", "session"]
type ApprovalKind = Literal["tool", "elicitation", "outcome"]
"""What an approval decides: whether a tool may be called, what an MCP server that asks for input gets, or whether a
call may be made again that a crash has interrupted, so that its outcome is unknown."""
type AfterCrash = Literal["continue", "ask", "end"]
"""What becomes of a run whose worker or agent was lost during a call of unknown outcome."""
type Compression = Literal["gzip", "bzip2", "xz", "zstd", "none"]
type PermissionMode = Literal["default", "acceptEdits", "plan", "dontAsk", "bypassPermissions"]

type Json = JsonValue
type Effort = Literal["low", "medium", "high", "xhigh", "max"]


class SdkOptions(Message):
    """The options of a session's agent; options that are not set are left to the agent."""

    model: str | None = Field(
        default=None, min_length=1, max_length=200, description="Name of the model; null for the default."
    )
    fallback_model: str | None = Field(
        default=None, min_length=1, max_length=200, description="Model to use if the first one is overloaded."
    )
    system_prompt: str | None = Field(
        default=None, max_length=100_000, description="Instructions to the agent; null for the default."
    )
    allowed_tools: list[Annotated[str, Field(min_length=1, max_length=200)]] | None = Field(
        default=None,
        max_length=200,
        description="Tools to run without approval, like `Read`, `Bash(git log:*)` or `mcp__files__read`.",
    )
    disallowed_tools: list[Annotated[str, Field(min_length=1, max_length=200)]] | None = Field(
        default=None, max_length=200, description="Tools that the agent must not use."
    )
    permission_mode: PermissionMode = Field(
        default="default", description="How tool calls are permitted that `allowed_tools` does not list."
    )
    max_turns: PositiveInt | None = Field(
        default=None, le=10_000, description="Maximum number of turns of a run; null for none."
    )
    max_budget_usd: PositiveFloat | None = Field(
        default=None, le=1_000_000, description="Budget of the session in US dollars; null for none."
    )
    effort: Effort | None = Field(default=None, description="How much the model thinks; null for its default.")
    output_format: dict[str, JsonValue] | None = Field(
        default=None, description='Form of the output: `{"type": "json_schema", "schema": {...}}`.'
    )
    env: dict[str, str] | None = Field(
        default=None,
        repr=False,
        description="Environment variables of the agent. Responses mask the values as `***`; sent back, it keeps a "
        "value.",
    )
    mcp_servers: list[str] | None = Field(
        default=None, max_length=100, description="Names or ids of the MCP servers that the agent may use."
    )
    timeout_seconds: PositiveInt = Field(default=600, le=86_400, description="Maximum duration of a run in seconds.")
    after_crash: AfterCrash | None = Field(
        default=None,
        description="What becomes of a run if a crash leaves the outcome of a tool call unknown. `ask`: a person "
        "decides whether the call may be made again. `continue`: the agent goes on without it. `end`: the run fails "
        "with `RUN_INTERRUPTED`. Null: `ask`, in non-interactive sessions `end`, as `ask` is there.",
    )

    @field_validator("permission_mode", "timeout_seconds", mode="before")
    @classmethod
    def _null_is_the_default(cls, value: object, info: ValidationInfo) -> object:
        return cls.model_fields[str(info.field_name)].default if value is None else value

    def overridden_by(self, overrides: "SdkOptions") -> "SdkOptions":
        """Return these options with the fields that are set in `overrides`, even to None, replaced by those."""
        return self.model_copy(update={name: getattr(overrides, name) for name in overrides.model_fields_set})

    def after_crash_in(self, mode: Mode) -> AfterCrash:
        """Return what becomes of an interrupted run in a session of this mode."""
        if mode == "non_interactive":
            return "continue" if self.after_crash == "continue" else "end"
        return self.after_crash or "ask"

    def masked(self) -> "SdkOptions":
        """Return these options with the values of `env` masked: only the agent gets the real ones."""
        return self.model_copy(update={"env": masked(self.env)}) if self.env else self


def _only_set_fields(options: SdkOptions) -> dict[str, Any]:
    return options.model_dump(mode="json", exclude_unset=True)


PartialSdkOptions = Annotated[SdkOptions, PlainSerializer(_only_set_fields)]
"""Options of which only some are set. Only those are serialized, so that the receiver knows which ones they are."""


class Usage(Message):
    """The resources that a run used."""

    duration_ms: int = Field(default=0, ge=0, description="Duration in milliseconds.")
    input_tokens: int = Field(default=0, ge=0, description="Input tokens used.")
    output_tokens: int = Field(default=0, ge=0, description="Output tokens used.")
    cost_usd: Decimal = Field(default=Decimal(0), ge=0, description="Cost in US dollars.")

    def __add__(self, other: "Usage") -> "Usage":
        """Return what was used in total."""
        return Usage(
            duration_ms=self.duration_ms + other.duration_ms,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_usd=self.cost_usd + other.cost_usd,
        )


class ApprovalOutcome(Message):
    """The decision about a tool call, and the message of the person who made it.

    `content` is the input that a person entered for an MCP server. `reason` says why nobody was asked about a call that
    is denied.
    """

    decision: Decision
    message: str = ""
    reason: str = ""
    content: dict[str, JsonValue] | None = None


class TextBlock(Message):
    """Text of the agent."""

    type: Literal["text"] = Field(default="text", description="Always `text`.")
    text: str = Field(description="The text.")


class ThinkingBlock(Message):
    """The reasoning of the model before its answer."""

    type: Literal["thinking"] = Field(default="thinking", description="Always `thinking`.")
    thinking: str = Field(description="The text of the reasoning.")


class ToolUseBlock(Message):
    """A call of a tool by the agent; `id` is the model's own id of the call."""

    type: Literal["tool_use"] = Field(default="tool_use", description="Always `tool_use`.")
    id: str = Field(description="Id that the model gave the call.")
    tool_call_id: UUID = Field(description="Id of the tool call.")
    name: str = Field(description="Name of the tool.")
    input: dict[str, Any] = Field(description="Input of the tool.")


type Block = Annotated[TextBlock | ThinkingBlock | ToolUseBlock, Field(discriminator="type")]

KNOWN_TOOLS = frozenset(
    {
        *("Agent", "AskUserQuestion", "Bash", "BashOutput", "Edit", "EnterPlanMode", "ExitPlanMode", "Glob", "Grep"),
        *("KillShell", "LS", "ListMcpResourcesTool", "MultiEdit", "NotebookEdit", "NotebookRead", "Read"),
        *("ReadMcpResourceTool", "Skill", "SlashCommand", "Task", "TaskCreate", "TaskGet", "TaskList", "TaskOutput"),
        *("TaskStop", "TaskUpdate", "TodoWrite", "WebFetch", "WebSearch", "Write"),
    }
)
"""The names of all built-in tools. An agent has only some of them, but any of them may be disallowed."""
