"""Sessions as their users see them."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pydantic import Field, JsonValue

from contracts.messages import Message, View
from contracts.refusals import Code
from contracts.samples import SESSION, TEMPLATE, TIME, USER
from contracts.session.values import (
    AfterCrash,
    Mode,
    PermissionMode,
    SdkOptions,
    SessionStatus,
)


class SessionSummary(View):
    """A session as an item of a list."""

    sample = {
        "id": SESSION,
        "user_id": USER,
        "name": "My Session",
        "mode": "interactive",
        "status": "active",
        "working_directory_path": f"/workspaces/{SESSION}",
        "parent_session_id": None,
        "is_fork": False,
        "total_messages": 15,
        "total_tool_calls": 8,
        "total_cost_usd": 0.0523,
        "api_input_tokens": 1200,
        "api_output_tokens": 850,
        "created_at": TIME,
        "started_at": TIME,
        "updated_at": TIME,
    }

    id: UUID = Field(description="Id of the session.")
    user_id: UUID = Field(description="Id of the owner.")
    name: str = Field(description="Name of the session.")
    mode: Mode = Field(description="Mode of the session.")
    status: SessionStatus = Field(description="Current status.")
    working_directory_path: str = Field(description="Path of the workspace.")
    parent_session_id: UUID | None = Field(
        description="Id of the session that this one is a fork of; null if it is not a fork."
    )
    is_fork: bool = Field(description="Whether the session is a fork.")
    ready: bool = Field(default=True, description="Whether the workspace is ready for queries.")
    error_code: Code | None = Field(default=None, description="Code of the failure; null if there is none.")
    error_detail: str | None = Field(default=None, description="What went wrong; null if nothing did.")
    total_messages: int = Field(description="Number of messages.")
    total_tool_calls: int = Field(description="Number of tool calls.")
    total_cost_usd: Decimal = Field(description="Cost so far, in US dollars.")
    api_input_tokens: int = Field(description="Input tokens used so far.")
    api_output_tokens: int = Field(description="Output tokens used so far.")
    created_at: datetime = Field(description="Time of creation.")
    started_at: datetime | None = Field(description="Time of the start of the first run; null before.")
    updated_at: datetime = Field(description="Time of the last change.")


class EffectiveOptions(Message):
    """The options that the next run gets: within the ceiling of the owner's present role, the model resolved."""

    model: str | None = Field(
        default=None, description="Model of the next run; null if nobody names one, and Claude Code chooses."
    )
    fallback_model: str | None = Field(default=None, description="Model to use if the first one is overloaded.")
    allowed_tools: list[str] | None = Field(
        default=None, description="Tools that run without approval, without those above the ceiling."
    )
    disallowed_tools: list[str] | None = Field(
        default=None, description="Tools that the agent does not have, with those above the ceiling."
    )
    permission_mode: PermissionMode = Field(
        default="default", description="How tool calls are permitted that `allowed_tools` does not list."
    )
    max_turns: int | None = Field(default=None, description="Maximum number of turns of a run; null for none.")
    max_budget_usd: float | None = Field(
        default=None, description="Budget of the session in US dollars, at most the ceiling; null for none."
    )
    timeout_seconds: int = Field(default=600, description="Maximum duration of a run in seconds.")
    after_crash: AfterCrash = Field(
        default="ask", description="What becomes of a run if a crash leaves the outcome of a tool call unknown."
    )


class SessionView(SessionSummary):
    """A session as its owner sees it."""

    sample = SessionSummary.sample | {
        "template_id": TEMPLATE,
        "sdk_options": {"allowed_tools": ["Read", "Write", "Bash"]},
        "effective_options": {"model": "claude-sonnet-4-5", "allowed_tools": ["Read", "Write", "Bash"]},
        "metadata": {"ticket": "OPS-42"},
    }

    template_id: UUID | None = Field(
        default=None, description="Id of the template that the session was created from; null for none."
    )
    sdk_options: SdkOptions = Field(description="Options of the agent.")
    effective_options: EffectiveOptions = Field(
        default=EffectiveOptions(),
        description="What the next run gets: the options within the ceiling of the owner's role, and the model.",
    )
    metadata: dict[str, JsonValue] = Field(description="Data of the client, returned unchanged.")
    depth: int = Field(
        default=0, description="How many agents use each other, over MCP, up to this session; 0 if no agent uses it."
    )
