"""The handlers, projections and queries of the task-scheduler service, on a database of their own."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Actor
from contracts.refusals import Code
from contracts.session.values import Usage
from contracts.task_scheduler.attempt import EndAttempt, RecordSubmission
from contracts.task_scheduler.execution import ExecuteTask, GetExecution, ListExecutions
from contracts.task_scheduler.execution_view import ExecutionSummary, ExecutionView
from contracts.task_scheduler.task import CreateTask, ListTasks
from contracts.task_scheduler.task_view import TaskView
from contracts.task_scheduler.values import TaskDefinition
from eventing.database import Database
from eventing.testing import harness
from eventing.testing.due import set_clocks
from runtime.clock import new_id
from task_scheduler.app import service
from task_scheduler.executions import Executions
from task_scheduler.reactions.execution import UNSUBMITTED

from .memory_desk import ADMIN, NOON, OWNER, STRANGER, Placeholders

__all__ = ["ADMIN", "NOON", "OWNER", "STRANGER", "Desk"]


EVENT_EXECUTIONS = 20
"""Executions of a user that events may start within an hour."""


@dataclass(frozen=True)
class Dependencies:
    """Dependencies without child processes."""

    prompts: Placeholders
    executions: Executions
    database: Database
    event_executions_per_hour: int


class Desk(harness.ServiceHarness):
    """The handlers and queries of the task-scheduler service, used by `OWNER` unless another actor is named."""

    actor = OWNER

    def __init__(self, database: Database, clock: pytest.MonkeyPatch) -> None:
        self._clock = clock
        self.at(NOON)
        self.dependencies = Dependencies(Placeholders(), Executions(database), database, EVENT_EXECUTIONS)
        super().__init__(service, database, self.dependencies)

    def at(self, now: datetime) -> None:
        """Set the clock."""
        self.now = now
        set_clocks(self._clock.setattr, lambda: now)

    async def create(self, actor: Actor = OWNER, **fields: Any) -> TaskView:
        """Create a task."""
        definition = TaskDefinition.model_validate({"name": "one", "prompt_template": "Hello", **fields})
        return await self.send(CreateTask(task_id=new_id(), definition=definition), actor)

    async def execute(self, task_id: UUID, **variables: Any) -> ExecutionView:
        """Start an execution."""
        return await self.send(ExecuteTask(task_id=task_id, execution_id=new_id(), variables=variables))

    async def end(self, execution: ExecutionView, error_code: Code | None = None, **usage: Any) -> ExecutionView:
        """End the attempt of an execution."""
        ended = EndAttempt(
            execution_id=execution.id,
            attempt=execution.attempt,
            usage=Usage(**usage),
            error_code=error_code,
            error_detail="529" if error_code else "",
        )
        await self.send(ended)
        return await self.latest(execution)

    async def latest(self, execution: ExecutionSummary) -> ExecutionView:
        """Return an execution as it is now."""
        return await self.ask(GetExecution(task_id=execution.task_id, execution_id=execution.id))

    async def submit(self, execution: ExecutionView) -> None:
        """Record that the prompt of an execution was submitted."""
        attempt = execution.attempt
        await self.send(RecordSubmission(execution_id=execution.id, attempt=attempt, prompt="Hello"))

    async def unsubmitted(self) -> list[UUID]:
        """Return the runs of the attempts whose prompt is to be submitted."""
        return [row["work"] for row in await self.database.fetch(UNSUBMITTED)]

    async def executions(self, task_id: UUID) -> list[tuple[str, str]]:
        """Return status and trigger of the executions of a task, newest first."""
        page = await self.ask(ListExecutions(task_id=task_id))
        return [(execution.status, execution.trigger) for execution in page.items]

    async def names(self, query: ListTasks, actor: Actor = OWNER) -> list[str]:
        """Return the names of the tasks in a list."""
        return [task.name for task in (await self.ask(query, actor)).items]

    async def due(self) -> dict[str, datetime]:
        """Return the due times by their kind, of which there is one each."""
        return {row["kind"]: row["at"] for row in await self.database.fetch("SELECT kind, at FROM due")}
