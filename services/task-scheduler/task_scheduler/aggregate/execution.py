"""Execution: one execution of a task, with its attempts."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import assert_never
from uuid import UUID, uuid5

from contracts.messages import Event, Failure
from contracts.refusals import Code, Refusal
from contracts.session.values import Usage
from contracts.task_scheduler.attempt import (
    AttemptEvent,
    EndAttempt,
    ExecutionCheckRequested,
    ExecutionRetryScheduled,
    ExecutionStarted,
    ExecutionSubmitted,
    ExecutionUsageRecorded,
)
from contracts.task_scheduler.execution import (
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionCreated,
    ExecutionEvent,
    ExecutionFailed,
    ExecutionMissed,
    ExecutionSkipped,
    ExecutionTimedOut,
)
from contracts.task_scheduler.values import TERMINAL_EXECUTION_STATUSES, ExecutionStatus, TaskCancelReason
from eventing.aggregate import Aggregate

RETRYABLE = frozenset({Code.AGENT_FAILED, Code.MODEL_ERROR, Code.STORAGE_FAILED})
MIN_RETRY_DELAY, MAX_RETRY_DELAY = timedelta(seconds=10), timedelta(minutes=15)
"""The delay doubles with each attempt; a part of up to a half of it is left out, so that retries are spread."""
MIN_CHECK_INTERVAL, MAX_CHECK_INTERVAL = timedelta(minutes=5), timedelta(hours=1)
"""The interval between checks of a run doubles with each check; the first is due this long after the submission."""
MAX_DOUBLINGS = 10
"""A bound of the exponent: the number of checks has none, and a `timedelta` overflows."""

_END_STATUSES: dict[type[Event], ExecutionStatus] = {
    ExecutionCompleted: "completed",
    ExecutionFailed: "failed",
    ExecutionTimedOut: "timed_out",
    ExecutionCancelled: "cancelled",
    ExecutionSkipped: "skipped",
    ExecutionMissed: "missed",
}


def tick_execution_id(task_id: UUID, tick: datetime) -> UUID:
    """Return the id of the execution for a tick: the same in every replica and at every attempt."""
    return uuid5(task_id, f"tick {tick.isoformat()}")


class Execution(Aggregate[ExecutionEvent]):
    """An execution. It waits (`pending`) or runs until it has ended; what reports a later end records nothing."""

    missing = Code.EXECUTION_NOT_FOUND

    created: ExecutionCreated
    """Its trigger, and the limits of the task's definition at that time."""
    status: ExecutionStatus
    attempt: int
    """The number of the last attempt; 0 if none was started."""
    session_id: UUID | None
    run_id: UUID | None
    submitted: bool
    """Whether the prompt of the last attempt was submitted to its session."""
    checks: int
    """The number of checks of the last attempt."""
    billed: list[int]
    """The attempts whose usage was recorded."""
    timeout_at: datetime | None
    next_attempt_at: datetime | None

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.status, self.attempt, self.checks, self.submitted = "pending", 0, 0, False
        self.session_id = self.run_id = None
        self.billed = []
        self.timeout_at = self.next_attempt_at = None

    @property
    def owner(self) -> UUID:
        """The owner of the task."""
        return self.created.user_id

    @property
    def task_id(self) -> UUID:
        """The task that is executed."""
        return self.created.task_id

    @property
    def is_over(self) -> bool:
        """Whether the execution has ended."""
        return self.status in TERMINAL_EXECUTION_STATUSES

    def create(self, created: ExecutionCreated) -> None:
        """Create the execution; it waits until it is started."""
        self.record(created)

    def start(self, now: datetime) -> None:
        """Start the first attempt, or the next one. Its session and run have ids that derive from its number."""
        timeout = self.created.timeout_seconds
        timeout_at = now + timedelta(seconds=timeout) if timeout and not self.attempt else self.timeout_at
        attempt = self.attempt + 1
        self.record(
            ExecutionStarted(
                task_id=self.task_id,
                attempt=attempt,
                session_id=uuid5(self.id, f"session {attempt}"),
                run_id=self._run_id(attempt),
                timeout_at=timeout_at,
                depth=self.created.depth,
            )
        )

    def start_next_attempt(self, now: datetime) -> None:
        """Start the next attempt at its due time. Records nothing if none is due."""
        if self.next_attempt_at:
            self.start(now)

    def record_submission(self, attempt: int, prompt: str) -> None:
        """Record that the prompt of an attempt was submitted. Records nothing the second time.

        Raises:
            Refusal: EXECUTION_OVER if the execution, or this attempt, has ended: its run is not wanted any more.
        """
        if not self._is_running(attempt):
            raise Refusal(Code.EXECUTION_OVER, f"Attempt {attempt} of execution {self.id} is over.")
        if not self.submitted:
            self.record(ExecutionSubmitted(task_id=self.task_id, attempt=attempt, prompt=prompt))

    def end_attempt(self, end: EndAttempt, now: datetime) -> None:
        """End an attempt, and schedule the next one after a retryable error. Records its usage only if it has ended."""
        if not self._is_running(end.attempt):
            self.record_usage(self._run_id(end.attempt), end.usage)
            return
        usage = Usage() if end.attempt in self.billed else end.usage
        ended = {"task_id": self.task_id, "attempt": self.attempt, "usage": usage}
        if end.error_code is None:
            self.record(ExecutionCompleted.model_validate(ended))
            return
        failed = ended | {"error_code": end.error_code, "error_detail": end.error_detail}
        if retry_at := self._retry_at(end.error_code, now):
            self.record(ExecutionRetryScheduled.model_validate(failed | {"at": retry_at}))
        else:
            self.record(ExecutionFailed.model_validate(failed))

    def record_usage(self, run_id: UUID, usage: Usage) -> None:
        """Record the usage of an attempt's run, once. Records nothing for another run, which its user has started."""
        for attempt in range(1, self.attempt + 1):
            if self._run_id(attempt) == run_id and attempt not in self.billed and usage != Usage():
                self.record(ExecutionUsageRecorded(task_id=self.task_id, attempt=attempt, usage=usage))

    def time_out(self) -> None:
        """End the execution at its timeout. Records nothing if it has ended."""
        if not self.is_over:
            running = self._running()
            self.record(ExecutionTimedOut(task_id=self.task_id, attempt=self.attempt, **running))

    def expire(self) -> None:
        """End the execution at its start deadline. Records nothing if it has started or ended."""
        if self.status == "pending" and not self.attempt:
            detail = "The execution could not start within start_deadline_seconds."
            self.miss(Failure(error_code=Code.START_DEADLINE_EXCEEDED, error_detail=detail))

    def cancel(self, reason: TaskCancelReason) -> None:
        """Cancel the execution.

        Raises:
            Refusal: EXECUTION_OVER.
        """
        if self.is_over:
            raise Refusal(Code.EXECUTION_OVER, f"Execution {self.id} is over: it is {self.status}.")
        running = self._running()
        self.record(ExecutionCancelled(task_id=self.task_id, attempt=self.attempt, reason=reason, **running))

    def skip(self, reason: Failure) -> None:
        """End a new execution that is not to run."""
        self.record(ExecutionSkipped(task_id=self.task_id, **dict(reason)))

    def miss(self, reason: Failure) -> None:
        """End an execution whose time to start has passed."""
        self.record(ExecutionMissed(task_id=self.task_id, **dict(reason)))

    def request_check(self, now: datetime) -> None:
        """Request a check of the run. Records nothing if no run is known to have started, or it has ended."""
        if self.status == "running" and self.submitted and self.session_id and self.run_id:
            interval = min(MIN_CHECK_INTERVAL * 2 ** min(self.checks + 1, MAX_DOUBLINGS), MAX_CHECK_INTERVAL)
            self.record(
                ExecutionCheckRequested(
                    task_id=self.task_id,
                    attempt=self.attempt,
                    session_id=self.session_id,
                    run_id=self.run_id,
                    next_check_at=now + interval,
                )
            )

    def _run_id(self, attempt: int) -> UUID:
        return uuid5(self.id, f"run {attempt}")

    def _is_running(self, attempt: int) -> bool:
        return self.status == "running" and self.attempt == attempt

    def _running(self) -> dict[str, UUID | None]:
        """Return the session and the run that have to be cancelled, if any."""
        return {"session_id": self.session_id, "run_id": self.run_id} if self.status == "running" else {}

    def _retry_at(self, code: Code, now: datetime) -> datetime | None:
        """Return when the next attempt starts; None if there is none, or the timeout would come first."""
        if code not in RETRYABLE or self.attempt > self.created.max_retries:
            return None
        longest = min(MIN_RETRY_DELAY * 2 ** min(self.attempt - 1, MAX_DOUBLINGS), MAX_RETRY_DELAY)
        fraction = sha256(f"{self.id} {self.attempt}".encode()).digest()[0] / 256
        at = now + longest * (0.5 + fraction / 2)
        return None if self.timeout_at and at >= self.timeout_at else at

    def apply(self, event: ExecutionEvent) -> None:
        """Fold one event."""
        if isinstance(event, AttemptEvent):
            self.apply_attempt(event)
            return
        match event:
            case ExecutionCreated():
                self.created = event
            case ExecutionCompleted() | ExecutionFailed():
                self._apply_end(event)
                self._apply_usage(event)
            case ExecutionTimedOut() | ExecutionCancelled() | ExecutionSkipped() | ExecutionMissed():
                self._apply_end(event)
            case _:
                assert_never(event)

    def apply_attempt(self, event: AttemptEvent) -> None:
        """Fold one event of an attempt."""
        match event:
            case ExecutionStarted():
                self._apply_start(event)
            case ExecutionSubmitted():
                self.submitted = True
            case ExecutionCheckRequested():
                self.checks += 1
            case ExecutionRetryScheduled():
                self.status, self.next_attempt_at = "pending", event.at
                self._apply_usage(event)
            case ExecutionUsageRecorded():
                self._apply_usage(event)
            case _:
                assert_never(event)

    def _apply_end(self, event: Event) -> None:
        self.status, self.next_attempt_at = _END_STATUSES[type(event)], None

    def _apply_usage(
        self, event: ExecutionUsageRecorded | ExecutionRetryScheduled | ExecutionCompleted | ExecutionFailed
    ) -> None:
        if event.usage != Usage():
            self.billed = [*self.billed, event.attempt]

    def _apply_start(self, event: ExecutionStarted) -> None:
        self.status, self.attempt, self.timeout_at = "running", event.attempt, event.timeout_at
        self.session_id, self.run_id = event.session_id, event.run_id
        self.checks, self.submitted, self.next_attempt_at = 0, False, None
