"""Runs as their users see them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field, JsonValue

from contracts.messages import Message, View
from contracts.refusals import Code
from contracts.samples import MESSAGE, RUN, SESSION, TIME, TOOL_CALL
from contracts.session.mcp import McpServersConnected, McpServerUse
from contracts.session.values import (
    RunStatus,
    ToolStatus,
    Usage,
)


class ToolUseView(Message):
    """A tool call as part of a run, without its output; the tool call itself has it."""

    id: UUID = Field(description="Id of the tool call.")
    tool_name: str = Field(description="Name of the tool.")
    tool_input: dict[str, Any] = Field(description="Input of the tool.")
    status: ToolStatus = Field(description="Current status.")


class RunSummary(View):
    """A run with its status, without its result.

    `mcp_servers` are those that the session named when the run started. Lists contain the first 1,000 characters of
    `message`, and of servers above 16 KiB no `detail` and `withheld`.
    """

    sample = {
        "id": RUN,
        "session_id": SESSION,
        "message": "Analyze the log.",
        "status": "completed",
        "attempt": 1,
        "error_code": None,
        "error_detail": None,
        "usage": {"duration_ms": 3250, "input_tokens": 150, "output_tokens": 420, "cost_usd": 0.0012},
        "mcp_servers": McpServersConnected.sample["servers"],
        "created_at": TIME,
        "ended_at": TIME,
    }

    id: UUID = Field(description="Id of the run.")
    session_id: UUID = Field(description="Id of the session.")
    message: str = Field(description="The message that the user sent.")
    status: RunStatus = Field(description="Status of the run.")
    attempt: int = Field(description="Number of the attempt; a run is attempted again if its worker fails.")
    error_code: Code | None = Field(description="Code of the failure; null if there is none.")
    error_detail: str | None = Field(description="What went wrong; null if nothing did.")
    usage: Usage = Field(description="Resources that the run used.")
    mcp_servers: list[McpServerUse] = Field(
        default=[], description="The MCP servers that the session named when the run started."
    )
    created_at: datetime = Field(description="Time of creation.")
    ended_at: datetime | None = Field(description="Time of the end; null before.")


class RunView(RunSummary):
    """A run with its result.

    `text` is the agent's last text, and `message_id` the message that contains it, or the last message if none of them
    contains text. `more_tool_calls` is true if the run has more tool calls than `tool_calls`: list them for the rest.
    """

    sample = RunSummary.sample | {
        "prompt_message_id": "0197a1f0-0000-7000-8000-000000000023",
        "message_id": MESSAGE,
        "text": "All is well.",
        "structured_output": None,
        "tool_calls": [
            {
                "id": TOOL_CALL,
                "tool_name": "Read",
                "tool_input": {"file_path": "/workspace/app.log"},
                "status": "success",
            }
        ],
    }

    prompt_message_id: UUID | None = Field(
        default=None, description="Id of the message with the prompt; null while the run is queued."
    )
    message_id: UUID | None = Field(description="Id of the message with the answer; null if there is none.")
    text: str = Field(description="Text of the answer.")
    structured_output: JsonValue = Field(
        description="Output in the form of `output_format`; null if none was requested."
    )
    tool_calls: list[ToolUseView] = Field(description="Tool calls of the run, at most 400.")
    more_tool_calls: bool = Field(
        default=False,
        description="Whether the run has more tool calls than the 400 listed here; "
        "`GET …/tool-calls?run_id=…&after=<id of the last one>` lists the others.",
    )
