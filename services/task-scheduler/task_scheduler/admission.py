"""Admits executions: the only place where they take and release the slots of their task."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TypedDict, Unpack
from uuid import UUID

from contracts.refusals import Refusal
from contracts.task_scheduler.execution import ExecutionCreated
from contracts.task_scheduler.values import ExecutionTrigger, TaskCancelReason, Variables
from eventing.store import AggregateNotFound

from task_scheduler.aggregate import Execution, Task
from task_scheduler.dependencies import Work


class Origin(TypedDict, total=False):
    """Further details of the start of an execution."""

    scheduled_for: datetime | None
    event: str | None
    chain: list[UUID]
    retry_of: UUID | None
    backfill_id: UUID | None
    trigger_id: UUID | None
    depth: int


class TaskExecutions:
    """A task and those of its executions that a command changes. All are saved in one append."""

    def __init__(self, task: Task, work: Work) -> None:
        self.task, self._work = task, work
        self._changed: dict[UUID, Execution] = {}

    def check_free(self) -> None:
        """Check that a new execution may start or wait.

        Raises:
            Refusal: TASK_BUSY.
        """
        if busy := self.task.busy:
            raise Refusal(busy.error_code, busy.error_detail)

    async def exists(self, execution_id: UUID) -> bool:
        """Return whether an execution was created before."""
        try:
            await self._work.load(Execution, execution_id)
        except AggregateNotFound:
            return False
        return True

    def create(self, id: UUID, trigger: ExecutionTrigger, variables: Variables, **origin: Unpack[Origin]) -> Execution:
        """Create an execution with the limits of the task's definition; it is to be admitted, skipped or missed."""
        definition, deadline = self.task.definition, self.task.definition.start_deadline_seconds
        execution = self._changed[id] = Execution(id)
        execution.create(
            ExecutionCreated(
                task_id=self.task.id,
                user_id=self.task.user_id,
                trigger=trigger,
                variables=variables,
                report_format=definition.report_format if definition.generate_report else None,
                max_retries=definition.max_retries,
                timeout_seconds=definition.timeout_seconds,
                start_deadline_at=self._work.now + timedelta(seconds=deadline) if deadline else None,
                **origin,
            )
        )
        return execution

    async def admit(self, execution: Execution) -> None:
        """Start a new execution, let it wait or skip it, by the overlap policy of the task."""
        if busy := self.task.busy:
            execution.skip(busy)
            return
        await self.cancel(self.task.replaced, "overlap")
        if self.task.admit(execution.id):
            execution.start(self._work.now)

    async def release(self, execution: Execution) -> None:
        """Release the slot of an execution that has ended, and start the next ones, or continue its backfill."""
        self._changed[execution.id] = execution
        if execution.id == self.task.backfill_execution:
            self.continue_backfill()
        self.task.release(execution.id, execution.status)
        await self.start_waiting()

    async def start_waiting(self) -> None:
        """Start the executions that wait, as far as slots are free."""
        for id in self.task.admit_waiting():
            (await self._load(id)).start(self._work.now)

    def continue_backfill(self) -> None:
        """Start the execution of the backfill's next tick, or end the backfill."""
        if advanced := self.task.advance_backfill():
            backfill, tick = advanced
            origin = Origin(scheduled_for=tick, backfill_id=backfill.id)
            variables = self.task.definition.variables
            self.create(backfill.execution_id(tick), "backfill", variables, **origin).start(self._work.now)

    async def cancel(self, ids: Iterable[UUID], reason: TaskCancelReason) -> None:
        """Cancel executions, and release their slots."""
        for id in ids:
            execution = await self._load(id)
            execution.cancel(reason)
            self.task.release(id, execution.status)

    async def save(self) -> None:
        """Save the task and the changed executions in one append."""
        await self._work.save(*self._changed.values(), self.task, named=self.task)

    async def _load(self, id: UUID) -> Execution:
        if id not in self._changed:
            self._changed[id] = await self._work.load(Execution, id)
        return self._changed[id]


async def save_execution(execution: Execution, work: Work) -> None:
    """Save a changed execution; if it has ended, release its slot and start the next ones in the same append."""
    if not (execution.is_over and execution.pending):
        await work.save(execution)
        return
    executions = TaskExecutions(await work.load_owned(Task, execution.task_id), work)
    await executions.release(execution)
    await executions.save()
