"""The decisions of a Task about overlapping executions."""

from typing import assert_never
from uuid import UUID

from contracts.messages import Failure
from contracts.refusals import Code
from contracts.task_scheduler.task import (
    ExecutionAdmitted,
    ExecutionEnqueued,
    ExecutionReleased,
    SlotEvent,
    TaskPaused,
)
from contracts.task_scheduler.values import (
    MAX_ACTIVE_EXECUTIONS,
    MAX_CHAIN,
    MAX_WAITING_EXECUTIONS,
    ExecutionStatus,
)

from task_scheduler.aggregate.state import State

SKIPPED = (
    "Another execution of the task is active, and its `overlap_policy` is `skip`. With `queue_one` or `queue_all`, "
    "this one would wait."
)
FAILURES = frozenset({"failed", "timed_out"})


class Slots(State):
    """The executions of a task that are active or wait, except those of a backfill.

    An execution waits only while another one is active. So after a release, `admit_waiting` has to be called.
    """

    @property
    def replaced(self) -> list[UUID]:
        """The executions that a new one replaces, and which have to be cancelled before it is admitted."""
        return [*self.active, *self.waiting] if self.definition.overlap_policy == "cancel_running" else []

    @property
    def busy(self) -> Failure | None:
        """Why a further execution is skipped; None if it may start or wait."""
        match self.definition.overlap_policy:
            case "skip":
                detail = SKIPPED if self.active else None
            case "queue_one":
                detail = "Another execution of the task is waiting already." if self.waiting else None
            case "queue_all":
                full = len(self.waiting) >= MAX_WAITING_EXECUTIONS
                detail = f"{MAX_WAITING_EXECUTIONS} executions of the task are waiting already." if full else None
            case "allow":
                full = len(self.active) >= MAX_ACTIVE_EXECUTIONS
                detail = f"{MAX_ACTIVE_EXECUTIONS} executions of the task are active already." if full else None
            case "cancel_running":
                detail = None
        return Failure(error_code=Code.TASK_BUSY, error_detail=detail) if detail else None

    def chain_failure(self, chain: list[UUID]) -> Failure | None:
        """Return why the task may not be started by an event that these tasks led to; None if it may."""
        if self.id in chain:
            detail = "This task led to the event that starts it."
            return Failure(error_code=Code.CHAIN_LOOP, error_detail=detail)
        if len(chain) >= MAX_CHAIN:
            detail = f"At most {MAX_CHAIN} tasks may start each other one after the other."
            return Failure(error_code=Code.CHAIN_TOO_LONG, error_detail=detail)
        return None

    def admit(self, execution_id: UUID) -> bool:
        """Admit a new execution, or let it wait if none is free. Return whether it is to be started now."""
        admitted = len(self.active) < self._capacity
        if admitted:
            self.record(ExecutionAdmitted(execution_id=execution_id))
        else:
            self.record(ExecutionEnqueued(execution_id=execution_id))
        return admitted

    def admit_waiting(self) -> list[UUID]:
        """Admit the executions that wait, as far as slots are free, and return them: they are to be started."""
        admitted = self.waiting[: max(0, self._capacity - len(self.active))]
        for execution_id in admitted:
            self.record(ExecutionAdmitted(execution_id=execution_id))
        return admitted

    def release(self, execution_id: UUID, status: ExecutionStatus) -> None:
        """Release the slot of an execution that has ended, and pause the task after a failure if it says so."""
        if execution_id in self.active or execution_id in self.waiting:
            self.record(ExecutionReleased(execution_id=execution_id, status=status))
        if status in FAILURES and self.definition.pause_on_failure and not self.paused:
            self.record(TaskPaused(reason="failure"))

    @property
    def _capacity(self) -> int:
        return MAX_ACTIVE_EXECUTIONS if self.definition.overlap_policy == "allow" else 1

    def apply_slot(self, event: SlotEvent) -> None:
        """Fold one event about an execution that is active or waits."""
        match event:
            case ExecutionEnqueued():
                self.waiting = [*self.waiting, event.execution_id]
            case ExecutionAdmitted():
                self._remove(event.execution_id)
                self.active = [*self.active, event.execution_id]
            case ExecutionReleased():
                self._remove(event.execution_id)
            case _:
                assert_never(event)

    def _remove(self, execution_id: UUID) -> None:
        self.active = [each for each in self.active if each != execution_id]
        self.waiting = [each for each in self.waiting if each != execution_id]
