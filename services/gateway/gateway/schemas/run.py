"""Models of queries and runs."""

from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from contracts.session.mcp import McpServerUse
from contracts.session.run import SubmitQuery
from contracts.session.run_view import RunSummary, RunView
from contracts.session.values import OnBusy, RunStatus, ToolStatus, Usage
from pydantic import BaseModel, Field, JsonValue, computed_field

from gateway import ids
from gateway.schemas.base import Money, RequestBody, ResponseModel
from gateway.schemas.lists import KeysetWindow, ListPage

DEPRECATED: dict[str, Any] = {"deprecated": True}
TOOL_INPUT = {"file_path": "/workspace/app.log"}


class NewQuery(RequestBody):
    """A message to the agent."""

    sample = {"message": SubmitQuery.sample["message"]}

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


class Prompted(RunSummary, ResponseModel):
    """What all representations of a run have, under names that say of which message they are."""

    usage: Metrics  # pyright: ignore[reportIncompatibleVariableOverride]  the same, with money as a number
    message: Annotated[str, Field(description="As `prompt`; release 0.3 removes it.", json_schema_extra=DEPRECATED)]

    @computed_field(description="The message that the user sent.")
    @property
    def prompt(self) -> str:
        """The message that the user sent."""
        return self.message


class Run(Prompted, RunView):  # pyright: ignore[reportIncompatibleVariableOverride]  its `usage` has money as a number
    """A query and its result."""

    model_config = ResponseModel.model_config

    message_id: Annotated[
        UUID | None, Field(description="As `answer_message_id`; release 0.3 removes it.", json_schema_extra=DEPRECATED)
    ]

    @computed_field(description="Id of the message with the answer, `text`; null if there is none.")
    @property
    def answer_message_id(self) -> UUID | None:
        """The id of the message with the answer."""
        return self.message_id


class RunListed(Prompted):
    """A query and its status."""

    mcp_servers: Annotated[
        list[McpServerUse],
        Field(
            description="The MCP servers that the session named when the run started. Above 16 KiB, their `detail` and "
            "`withheld` are omitted."
        ),
    ] = []


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

    session_id: UUID
    run_id: Annotated[UUID, Field(description="Id of the run.")]
    message_id: UUID | None
    content: Annotated[TextContent, Field(description="The answer, as text.")]
    structured_output: JsonValue
    tool_calls: list[ToolUse]
    more_tool_calls: bool
    metrics: Annotated[Metrics, Field(description="Resources that the run used.")]

    @classmethod
    def documented(cls) -> dict[str, Any]:
        """Return the example for the documentation."""
        return cls.to(RunView.example()).model_dump(mode="json")

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
