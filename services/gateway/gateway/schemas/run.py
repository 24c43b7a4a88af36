"""Models of queries and runs."""

from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from contracts.samples import MESSAGE, RUN, SESSION, TIME, TOOL_CALL
from contracts.session.mcp import McpServersConnected, McpServerUse
from contracts.session.run import SubmitQuery
from contracts.session.run_view import RunSummary, RunView
from contracts.session.values import OnBusy, RunStatus, ToolStatus, Usage
from pydantic import BaseModel, Field, JsonValue

from gateway import ids
from gateway.schemas.base import Money, RequestBody, ResponseModel, example
from gateway.schemas.lists import KeysetWindow, ListPage

TOOL_INPUT = {"file_path": "/workspace/app.log"}


class NewQuery(RequestBody):
    """A message to the agent."""

    model_config = example({"message": SubmitQuery.sample["message"]})

    message: Annotated[str, Field(min_length=1, max_length=100_000, description="The message to the agent.")]
    on_busy: Annotated[
        OnBusy,
        Field(
            description="What to do if another run is active. `reject`: respond 409. `enqueue`: run after it. "
            "`interrupt`: cancel it first."
        ),
    ] = "reject"

    def command(self, session_id: UUID, depth: int = 0) -> SubmitQuery:
        """Return the command."""
        return SubmitQuery(
            session_id=session_id,
            run_id=ids.new_id(),
            message_id=ids.new_id(),
            message=self.message,
            on_busy=self.on_busy,
            depth=depth,
        )


class Metrics(Usage, ResponseModel):
    """The resources that a run used."""

    cost_usd: Money = Decimal(0)


_RUN: dict[str, Any] = {
    "id": RUN,
    "session_id": SESSION,
    "message": "Analyze the log.",
    "status": "completed",
    "attempt": 1,
    "error_code": None,
    "error_detail": None,
    "usage": {"duration_ms": 3250, "input_tokens": 150, "output_tokens": 420, "cost_usd": 0.0012},
    "mcp_servers": [{"detail": "", "withheld": [], **McpServersConnected.sample["servers"][0]}],
    "created_at": TIME,
    "ended_at": TIME,
}


class Run(RunView, ResponseModel):
    """A query and its result."""

    model_config = example(
        _RUN
        | {
            "message_id": MESSAGE,
            "text": "All is well.",
            "structured_output": None,
            "tool_calls": [{"id": TOOL_CALL, "tool_name": "Read", "tool_input": TOOL_INPUT, "status": "success"}],
            "more_tool_calls": False,
        }
    )

    usage: Metrics  # pyright: ignore[reportIncompatibleVariableOverride]  the same, with money as a number


class RunListed(RunSummary, ResponseModel):
    """A query and its status."""

    model_config = example(_RUN)

    mcp_servers: Annotated[
        list[McpServerUse],
        Field(
            description="The MCP servers that the session named when the run started. Above 16 KiB, their `detail` and "
            "`withheld` are omitted."
        ),
    ] = []
    usage: Metrics  # pyright: ignore[reportIncompatibleVariableOverride]  the same, with money as a number


class RunWindow(KeysetWindow):
    """Query parameters of the list of runs."""

    status: Annotated[
        RunStatus | None, Field(description="Return only runs with this status.", examples=["completed"])
    ] = None


class RunPage(ListPage[RunListed]):
    """Runs, newest first."""


class TextContent(BaseModel):
    """The text of the answer."""

    type: Annotated[Literal["text"], Field(description="Always `text`.")] = "text"
    text: Annotated[str, Field(description="Text of the answer.")]


class ToolUse(BaseModel):
    """A tool call of the run."""

    id: Annotated[UUID, Field(description="Id of the tool call.")]
    tool_name: Annotated[str, Field(description="Name of the tool.")]
    tool_input: Annotated[dict[str, Any], Field(description="Input of the tool.")]
    status: Annotated[ToolStatus, Field(description="Current status.")]


class Answer(ResponseModel):
    """The answer to a query."""

    described_by = RunView

    model_config = example(
        {
            "session_id": SESSION,
            "run_id": RUN,
            "message_id": MESSAGE,
            "content": {"type": "text", "text": "All is well."},
            "structured_output": None,
            "tool_calls": [{"id": TOOL_CALL, "tool_name": "Read", "tool_input": TOOL_INPUT, "status": "success"}],
            "more_tool_calls": False,
            "metrics": {"duration_ms": 3250, "input_tokens": 150, "output_tokens": 420, "cost_usd": 0.0012},
        }
    )

    session_id: UUID
    run_id: Annotated[UUID, Field(description="Id of the run.")]
    message_id: UUID | None
    content: Annotated[TextContent, Field(description="The answer, as text.")]
    structured_output: JsonValue
    tool_calls: list[ToolUse]
    more_tool_calls: bool
    metrics: Annotated[Metrics, Field(description="Resources that the run used.")]

    @classmethod
    def to(cls, run: RunView) -> Self:
        """Return the answer of a completed run."""
        return cls.model_construct(
            None,
            session_id=run.session_id,
            run_id=run.id,
            message_id=run.message_id,
            content=TextContent(text=run.text),
            structured_output=run.structured_output,
            tool_calls=[ToolUse.model_construct(None, **vars(call)) for call in run.tool_calls],
            more_tool_calls=run.more_tool_calls,
            metrics=Metrics.of(run.usage),
        )
