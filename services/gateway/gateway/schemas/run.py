"""Queries and runs, as clients see them."""

from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from contracts.samples import MESSAGE, RUN, SESSION, TIME, TOOL_CALL
from contracts.session.run import RunSummary, RunView, SubmitQuery
from contracts.session.values import OnBusy, RunStatus, ToolStatus, Usage
from pydantic import BaseModel, Field, JsonValue
from runtime import clock

from gateway.schemas.lists import KeysetWindow, PageShown
from gateway.schemas.shown import Body, Money, Shown, example

TOOL_INPUT = {"file_path": "/workspace/app.log"}


class NewQuery(Body):
    """Something to ask the agent."""

    model_config = example({"message": SubmitQuery.sample["message"]})

    message: Annotated[str, Field(min_length=1, max_length=100_000)]
    on_busy: Annotated[
        OnBusy,
        Field(
            description="What to do while another run is going: answer 409, let this one wait for its turn, or end the "
            "other one first."
        ),
    ] = "reject"

    def command(self, session_id: UUID) -> SubmitQuery:
        """Ask for the run."""
        return SubmitQuery(
            session_id=session_id,
            run_id=clock.new_id(),
            message_id=clock.new_id(),
            message=self.message,
            on_busy=self.on_busy,
        )


class Metrics(Usage, Shown):
    """What a run took."""

    cost_usd: Money = Decimal(0)


MoreToolCalls = Annotated[
    bool,
    Field(
        description="Whether the agent made more tool calls than these 400; "
        "`GET …/tool-calls?run_id=…&after=<id of the last one>` lists the others."
    ),
]


_RUN: dict[str, Any] = {
    "id": RUN,
    "session_id": SESSION,
    "message": "Analyze the log.",
    "status": "completed",
    "attempt": 1,
    "error_code": None,
    "error_detail": None,
    "usage": {"duration_ms": 3250, "input_tokens": 150, "output_tokens": 420, "cost_usd": 0.0012},
    "created_at": TIME,
    "ended_at": TIME,
}


class Run(RunView, Shown):
    """One query and what came of it."""

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
    more_tool_calls: MoreToolCalls = False


class RunListed(RunSummary, Shown):
    """One query, and how far it is or how it ended."""

    model_config = example(_RUN)

    usage: Metrics  # pyright: ignore[reportIncompatibleVariableOverride]  the same, with money as a number


class RunWindow(KeysetWindow):
    """Which runs are asked for."""

    status: Annotated[
        RunStatus | None, Field(description="Give only runs with this status.", examples=["completed"])
    ] = None


class RunPage(PageShown[RunListed]):
    """Runs, newest first."""


class TextContent(BaseModel):
    """What the agent said."""

    type: Literal["text"] = "text"
    text: str


class ToolUse(BaseModel):
    """A tool that the agent used."""

    id: UUID
    tool_name: str
    tool_input: dict[str, Any]
    status: ToolStatus


class Answer(Shown):
    """What came of a query."""

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
    run_id: UUID
    message_id: UUID | None
    content: TextContent
    structured_output: JsonValue
    tool_calls: list[ToolUse]
    more_tool_calls: MoreToolCalls
    metrics: Metrics

    @classmethod
    def to(cls, run: RunView) -> Self:
        """Give the answer that a completed run is."""
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
