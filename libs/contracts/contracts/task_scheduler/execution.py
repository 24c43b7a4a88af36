"""All messages about executions of tasks."""

from datetime import datetime
from uuid import UUID

from contracts.messages import Command, Event, Failure, KeysetWindow, Page, ProgressEvent, Query
from contracts.samples import EXECUTION, RUN, SESSION, TASK, TIME, USER
from contracts.session.values import Usage
from contracts.task_scheduler.attempt import AttemptEvent
from contracts.task_scheduler.execution_view import ExecutionSummary, ExecutionView
from contracts.task_scheduler.values import ExecutionStatus, ExecutionTrigger, ReportFormat, TaskCancelReason, Variables


class GetExecution(Query[ExecutionView]):
    """Return one execution of a task."""

    subject = "qry.task_scheduler.get_execution"
    senders = ("gateway", "report")
    sample = {"task_id": TASK, "execution_id": EXECUTION}

    task_id: UUID
    execution_id: UUID


class ListExecutions(KeysetWindow, Query[Page[ExecutionSummary]]):
    """Return the executions of a task, newest first."""

    subject = "qry.task_scheduler.list_executions"
    senders = ("gateway", "report")
    sample = {"task_id": TASK, "status": "failed"}

    task_id: UUID
    status: ExecutionStatus | None = None
    trigger: ExecutionTrigger | None = None
    backfill_id: UUID | None = None


class ExecuteTask(Command[ExecutionView]):
    """Start an execution now. Refused with TASK_BUSY if the overlap policy would skip it.

    `depth` is set if an agent sends it; the sessions of the execution get this depth.
    """

    subject = "cmd.task_scheduler.execute"
    outcome_query = GetExecution
    sample = {"task_id": TASK, "execution_id": EXECUTION, "variables": {"date": "2025-10-19"}}

    task_id: UUID
    execution_id: UUID
    variables: Variables = {}
    depth: int = 0


class RetryExecution(Command[ExecutionView]):
    """Start a new execution with the trigger's variables and tick of one that has ended."""

    subject = "cmd.task_scheduler.retry_execution"
    outcome_query = GetExecution
    sample = {"task_id": TASK, "execution_id": EXECUTION, "retry_of": EXECUTION}

    task_id: UUID
    execution_id: UUID
    retry_of: UUID


class CancelExecution(Command[ExecutionView]):
    """Cancel an execution that waits or runs."""

    subject = "cmd.task_scheduler.cancel_execution"
    outcome_query = GetExecution
    sample = {"task_id": TASK, "execution_id": EXECUTION}

    task_id: UUID
    execution_id: UUID


class StartOnEvent(Command[None]):
    """Start an execution because of an event; `chain` names the tasks that led to it, the first one first."""

    subject = "cmd.task_scheduler.start_on_event"
    senders = ()
    sample = {"task_id": TASK, "execution_id": EXECUTION, "event": "session.run_failed", "variables": {}, "chain": []}

    task_id: UUID
    execution_id: UUID
    event: str
    variables: Variables
    chain: list[UUID]


class TimeOutExecution(Command[None]):
    """End an execution that has reached its `timeout_seconds`."""

    subject = "cmd.task_scheduler.time_out_execution"
    senders = ()
    sample = {"execution_id": EXECUTION}

    execution_id: UUID


class ExpireExecution(Command[None]):
    """End an execution that could not start within its `start_deadline_seconds`."""

    subject = "cmd.task_scheduler.expire_execution"
    senders = ()
    sample = {"execution_id": EXECUTION}

    execution_id: UUID


class CheckExecution(Command[None]):
    """Request a check whether the run of an execution has ended without this service noticing."""

    subject = "cmd.task_scheduler.check_execution"
    senders = ()
    sample = {"execution_id": EXECUTION}

    execution_id: UUID


class ExecutionCreated(Event):
    """An execution of a task was created: it starts, waits, or has ended at once in the same append."""

    subject = "evt.task_scheduler.execution_created"
    sample = {
        "task_id": TASK,
        "user_id": USER,
        "trigger": "scheduled",
        "scheduled_for": TIME,
        "variables": {"date": "2025-10-19"},
        "max_retries": 2,
        "timeout_seconds": 600,
        "start_deadline_at": TIME,
    }

    task_id: UUID
    user_id: UUID
    trigger: ExecutionTrigger
    scheduled_for: datetime | None = None
    variables: Variables = {}
    chain: list[UUID] = []
    retry_of: UUID | None = None
    backfill_id: UUID | None = None
    trigger_id: UUID | None = None
    event: str | None = None
    report_format: ReportFormat | None = None
    max_retries: int = 0
    timeout_seconds: int | None = None
    start_deadline_at: datetime | None = None
    depth: int = 0


class ExecutionCompleted(ProgressEvent):
    """The last attempt succeeded; `usage` is that of the last attempt."""

    subject = "evt.task_scheduler.execution_completed"
    sample = {"task_id": TASK, "attempt": 1, "usage": {}}

    task_id: UUID
    attempt: int
    usage: Usage


class ExecutionFailed(Failure, ProgressEvent):
    """The execution failed and is not retried; `usage` is that of the last attempt."""

    subject = "evt.task_scheduler.execution_failed"
    sample = ExecutionCompleted.sample | {
        "error_code": "MODEL_ERROR",
        "error_detail": "The model provider is overloaded (HTTP 529). Try again later.",
    }

    task_id: UUID
    attempt: int
    usage: Usage


class ExecutionTimedOut(ProgressEvent):
    """The execution reached its `timeout_seconds`; its run is cancelled."""

    subject = "evt.task_scheduler.execution_timed_out"
    sample = {"task_id": TASK, "attempt": 1, "session_id": SESSION, "run_id": RUN}

    task_id: UUID
    attempt: int
    session_id: UUID | None = None
    run_id: UUID | None = None


class ExecutionCancelled(Event):
    """The execution was cancelled; its run, if it has one, is cancelled too."""

    subject = "evt.task_scheduler.execution_cancelled"
    sample = {"task_id": TASK, "attempt": 1, "reason": "requested", "session_id": SESSION, "run_id": RUN}

    task_id: UUID
    attempt: int
    reason: TaskCancelReason
    session_id: UUID | None = None
    run_id: UUID | None = None


class ExecutionSkipped(Failure, ProgressEvent):
    """The execution never started: another one was active, or a limit was reached."""

    subject = "evt.task_scheduler.execution_skipped"
    sample = {"task_id": TASK, "error_code": "TASK_BUSY", "error_detail": "Another execution of the task is active."}

    task_id: UUID


class ExecutionMissed(Failure, ProgressEvent):
    """The execution never started, because its time had passed."""

    subject = "evt.task_scheduler.execution_missed"
    sample = {
        "task_id": TASK,
        "error_code": "CATCH_UP_WINDOW_PASSED",
        "error_detail": "The tick was processed 3,600 s late; catch_up_window_seconds is 300.",
    }

    task_id: UUID


type ExecutionEvent = (
    ExecutionCreated
    | AttemptEvent
    | ExecutionCompleted
    | ExecutionFailed
    | ExecutionTimedOut
    | ExecutionCancelled
    | ExecutionSkipped
    | ExecutionMissed
)
