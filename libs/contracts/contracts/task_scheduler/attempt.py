"""The messages about an execution's attempts, each of which has a session and a run of its own."""

from datetime import datetime
from uuid import UUID

from contracts.messages import Command, Event, ProgressEvent
from contracts.refusals import Code
from contracts.samples import EXECUTION, RUN, SESSION, TASK, TIME
from contracts.session.values import Usage


class RecordSubmission(Command[None]):
    """Record that an attempt's prompt was submitted to its session."""

    subject = "cmd.task_scheduler.record_submission"
    senders = ()
    sample = {"execution_id": EXECUTION, "attempt": 1, "prompt": "Analyze logs from 2025-10-19"}

    execution_id: UUID
    attempt: int
    prompt: str


class EndAttempt(Command[None]):
    """End an attempt, successfully or with an error; a retryable error leads to another attempt if one is left."""

    subject = "cmd.task_scheduler.end_attempt"
    senders = ()
    sample = {"execution_id": EXECUTION, "attempt": 1, "usage": {}}

    execution_id: UUID
    attempt: int
    usage: Usage = Usage()
    error_code: Code | None = None
    error_detail: str = ""


class RecordUsage(Command[None]):
    """Record the usage of a run of an execution, unless it is known: that of a cancelled run is reported later."""

    subject = "cmd.task_scheduler.record_usage"
    senders = ()
    sample = {"execution_id": EXECUTION, "run_id": RUN, "usage": {"cost_usd": "0.0012"}}

    execution_id: UUID
    run_id: UUID
    usage: Usage


class StartNextAttempt(Command[None]):
    """Start the next attempt of an execution, after the pause that followed a failure."""

    subject = "cmd.task_scheduler.start_next_attempt"
    senders = ()
    sample = {"execution_id": EXECUTION}

    execution_id: UUID


class ExecutionStarted(ProgressEvent):
    """An attempt was started: its session has to be created, and its prompt submitted."""

    subject = "evt.task_scheduler.execution_started"
    sample = {"task_id": TASK, "attempt": 1, "session_id": SESSION, "run_id": RUN, "timeout_at": TIME}

    task_id: UUID
    attempt: int
    session_id: UUID
    run_id: UUID
    timeout_at: datetime | None = None
    depth: int = 0


class ExecutionSubmitted(ProgressEvent):
    """The prompt of an attempt was submitted to its session."""

    subject = "evt.task_scheduler.execution_submitted"
    sample = {"task_id": TASK, "attempt": 1, "prompt": "Analyze logs from 2025-10-19"}

    task_id: UUID
    attempt: int
    prompt: str


class ExecutionRetryScheduled(ProgressEvent):
    """An attempt failed with an error that may be temporary; the next attempt starts at `at`."""

    subject = "evt.task_scheduler.execution_retry_scheduled"
    sample = {
        "task_id": TASK,
        "attempt": 1,
        "error_code": "MODEL_ERROR",
        "error_detail": "The model provider is overloaded (HTTP 529). Try again later.",
        "usage": {},
        "at": TIME,
    }

    task_id: UUID
    attempt: int
    error_code: Code
    error_detail: str
    usage: Usage
    at: datetime


class ExecutionCheckRequested(Event):
    """It has to be checked whether the run of an attempt has ended; the next check is due at `next_check_at`."""

    subject = "evt.task_scheduler.execution_check_requested"
    published = False
    sample = {"task_id": TASK, "attempt": 1, "session_id": SESSION, "run_id": RUN, "next_check_at": TIME}

    task_id: UUID
    attempt: int
    session_id: UUID
    run_id: UUID
    next_check_at: datetime


class ExecutionUsageRecorded(ProgressEvent):
    """The usage of an attempt became known after its end, because its run was cancelled or interrupted."""

    subject = "evt.task_scheduler.execution_usage_recorded"
    sample = {"task_id": TASK, "attempt": 1, "usage": {"cost_usd": "0.0012"}}

    task_id: UUID
    attempt: int
    usage: Usage


AttemptEvent = (
    ExecutionStarted | ExecutionSubmitted | ExecutionRetryScheduled | ExecutionCheckRequested | ExecutionUsageRecorded
)
