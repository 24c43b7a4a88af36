"""Models of executions of tasks."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Self
from uuid import UUID

from contracts.samples import BACKFILL, EXECUTION, SESSION, TIME
from contracts.task_scheduler.execution import ExecuteTask
from contracts.task_scheduler.execution_view import ExecutionSummary, ExecutionView
from contracts.task_scheduler.values import ExecutionStatus, ExecutionTrigger
from pydantic import Field

from gateway import ids
from gateway.schemas.base import RequestBody, ResponseModel
from gateway.schemas.lists import KeysetWindow, ListPage
from gateway.schemas.run import Metrics
from gateway.schemas.task import Variables

Duration = Annotated[
    int | None, Field(description="Milliseconds from the first start to the end; null before, and if it never started.")
]


class NewExecution(RequestBody):
    """The variables of an execution."""

    sample = {"variables": {"date": "2025-10-19"}}

    variables: Annotated[Variables, Field(description="Variables; they override those of the task.")] = {}

    def command(self, task_id: UUID, depth: int = 0) -> ExecuteTask:
        """Return the command."""
        return ExecuteTask(task_id=task_id, execution_id=ids.new_id(), variables=self.variables, depth=depth)


NO_VARIABLES = NewExecution()


class ExecutionWindow(KeysetWindow):
    """Query parameters of the list of executions."""

    status: Annotated[
        ExecutionStatus | None, Field(description="Return only executions with this status.", examples=["failed"])
    ] = None
    trigger: Annotated[
        ExecutionTrigger | None,
        Field(description="Return only executions that were started in this way.", examples=["scheduled"]),
    ] = None
    backfill_id: Annotated[
        UUID | None, Field(description="Return only executions of this backfill.", examples=[BACKFILL])
    ] = None


class Execution(ExecutionView, ResponseModel):
    """An execution of a task."""

    sample = ExecutionView.sample | {"duration_ms": 330_000}

    usage: Metrics  # pyright: ignore[reportIncompatibleVariableOverride]  the same, with money as a number
    duration_ms: Duration

    @classmethod
    def from_view(cls, view: ExecutionView) -> Self:
        """Return the model of an execution."""
        return cls.of(view, **_derived(view))


class ExecutionListed(ExecutionSummary, ResponseModel):
    """An execution in a list, without its variables and its prompt."""

    sample = ExecutionSummary.sample | {"duration_ms": 330_000}

    usage: Metrics  # pyright: ignore[reportIncompatibleVariableOverride]  the same, with money as a number
    duration_ms: Duration

    @classmethod
    def from_view(cls, view: ExecutionSummary) -> Self:
        """Return the model of an execution in a list."""
        return cls.of(view, **_derived(view))


class ExecutionPage(ListPage[ExecutionListed]):
    """Executions, newest first."""


class StartedExecution(ResponseModel):
    """An execution that was just created."""

    sample = {"execution_id": EXECUTION, "session_id": SESSION, "status": "running", "started_at": TIME}

    execution_id: Annotated[UUID, Field(description="Id of the execution.")]
    session_id: Annotated[UUID | None, Field(description="Id of the session; null before the first attempt.")]
    status: Annotated[ExecutionStatus, Field(description="Current status.")]
    started_at: Annotated[datetime | None, Field(description="Time of the start of the first attempt; null before.")]

    @classmethod
    def from_view(cls, view: ExecutionView) -> Self:
        """Return the model of a new execution."""
        return cls(execution_id=view.id, session_id=view.session_id, status=view.status, started_at=view.started_at)


def _derived(view: ExecutionSummary) -> dict[str, Any]:
    started, ended = view.started_at, view.completed_at
    duration = (ended - started) // timedelta(milliseconds=1) if started and ended else None
    return {"usage": Metrics.of(view.usage), "duration_ms": duration}
