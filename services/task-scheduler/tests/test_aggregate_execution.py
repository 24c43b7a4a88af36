"""The decisions of an execution about its attempts."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from contracts.messages import Failure
from contracts.refusals import Code
from contracts.samples import EXECUTION, TASK, USER
from contracts.session.values import Usage
from contracts.task_scheduler.attempt import (
    EndAttempt,
    ExecutionCheckRequested,
    ExecutionRetryScheduled,
    ExecutionStarted,
    ExecutionSubmitted,
)
from contracts.task_scheduler.execution import (
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionCreated,
    ExecutionFailed,
    ExecutionMissed,
    ExecutionSkipped,
    ExecutionTimedOut,
)
from eventing.store.state import codec_of
from eventing.testing import Given
from task_scheduler.aggregate import Execution
from task_scheduler.aggregate.execution import RETRYABLE

from .memory_desk import NOON

ID, TASK_ID = UUID(EXECUTION), UUID(TASK)
USAGE = Usage(input_tokens=3)
FAILURE = Failure(error_code=Code.TASK_BUSY, error_detail="busy")


def created(**fields: Any) -> ExecutionCreated:
    return ExecutionCreated(task_id=TASK_ID, user_id=UUID(USER), trigger="manual", **fields)


def started(attempt: int = 1, timeout_at: datetime | None = None) -> ExecutionStarted:
    return ExecutionStarted(
        task_id=TASK_ID,
        attempt=attempt,
        session_id=uuid5(ID, f"session {attempt}"),
        run_id=uuid5(ID, f"run {attempt}"),
        timeout_at=timeout_at,
    )


def submitted(attempt: int = 1) -> ExecutionSubmitted:
    return ExecutionSubmitted(task_id=TASK_ID, attempt=attempt, prompt="Do it.")


def given(*events: Any, **fields: Any) -> Given[Execution]:
    return Given(Execution(ID), created(**fields), *events)


def end(code: Code | None = None, attempt: int = 1) -> EndAttempt:
    return EndAttempt(execution_id=ID, attempt=attempt, usage=USAGE, error_code=code, error_detail="no luck")


def retried(attempt: int = 1, at: datetime = NOON) -> ExecutionRetryScheduled:
    return ExecutionRetryScheduled(
        task_id=TASK_ID, attempt=attempt, error_code=Code.MODEL_ERROR, error_detail="no luck", usage=USAGE, at=at
    )


def failed(code: Code, attempt: int = 1) -> ExecutionFailed:
    return ExecutionFailed(task_id=TASK_ID, attempt=attempt, error_code=code, error_detail="no luck", usage=USAGE)


COMPLETED = ExecutionCompleted(task_id=TASK_ID, attempt=1, usage=USAGE)
TIMED_OUT = ExecutionTimedOut(task_id=TASK_ID, attempt=1, session_id=started().session_id, run_id=started().run_id)
ENDS = [
    COMPLETED,
    failed(Code.MODEL_ERROR),
    TIMED_OUT,
    ExecutionCancelled(task_id=TASK_ID, attempt=1, reason="requested"),
    ExecutionSkipped(task_id=TASK_ID, **dict(FAILURE)),
    ExecutionMissed(task_id=TASK_ID, **dict(FAILURE)),
]


def test_a_started_attempt_has_ids_that_derive_from_its_number() -> None:
    given().when(lambda execution: execution.start(NOON)).then(started())


def test_the_timeout_counts_from_the_first_start() -> None:
    timeout_at, later = NOON + timedelta(seconds=60), NOON + timedelta(seconds=30)
    task = given(timeout_seconds=60).aggregate
    task.start(NOON)
    task.record(retried())
    task.start_next_attempt(later)
    assert [event for event in task.pending if isinstance(event, ExecutionStarted)] == [
        started(1, timeout_at),
        started(2, timeout_at),
    ]


def test_a_submission_is_recorded() -> None:
    given(started()).when(lambda execution: execution.record_submission(1, "Do it.")).then(submitted())


def test_a_repeated_submission_records_nothing() -> None:
    given(started(), submitted()).when(lambda execution: execution.record_submission(1, "Do it.")).then()


@pytest.mark.parametrize("over", [*ENDS, retried()])
def test_a_submission_after_the_end_of_the_attempt_is_refused(over: Any) -> None:
    given(started(), over).when(lambda each: each.record_submission(1, "?")).refused(Code.EXECUTION_OVER)


def test_a_submission_of_an_earlier_attempt_is_refused() -> None:
    execution = given(started(), retried(), started(2))
    execution.when(lambda each: each.record_submission(1, "?")).refused(Code.EXECUTION_OVER)


def test_an_attempt_completes_the_execution() -> None:
    given(started(), submitted()).when(lambda execution: execution.end_attempt(end(), NOON)).then(COMPLETED)


@pytest.mark.parametrize("code", sorted(RETRYABLE))
def test_a_retryable_error_leads_to_another_attempt(code: Code) -> None:
    execution = given(started(), max_retries=1).aggregate
    execution.end_attempt(end(code), NOON)
    [scheduled] = execution.pending
    assert isinstance(scheduled, ExecutionRetryScheduled)
    assert (scheduled.error_code, execution.status) == (code, "pending")


FINAL = (Code.BUDGET_EXCEEDED, Code.OWNER_DISABLED, Code.RUN_CANCELLED, Code.RUN_INTERRUPTED, Code.RUN_TIMEOUT)


@pytest.mark.parametrize("code", FINAL)
def test_any_other_error_fails_the_execution(code: Code) -> None:
    given(started(), max_retries=1).when(lambda each: each.end_attempt(end(code), NOON)).then(failed(code))


def test_the_last_retry_fails_the_execution() -> None:
    execution = given(started(), retried(), started(2), max_retries=1)
    then = failed(Code.MODEL_ERROR, 2)
    execution.when(lambda each: each.end_attempt(end(Code.MODEL_ERROR, 2), NOON)).then(then)


def test_a_retry_after_the_timeout_fails_at_once() -> None:
    execution = given(started(timeout_at=NOON + timedelta(seconds=5)), max_retries=1)
    execution.when(lambda each: each.end_attempt(end(Code.MODEL_ERROR), NOON)).then(failed(Code.MODEL_ERROR))


def test_retries_are_delayed_exponentially_with_jitter_and_a_limit() -> None:
    delays: list[float] = []
    for attempt in range(1, 12):
        execution = given(started(attempt), max_retries=20).aggregate
        execution.end_attempt(end(Code.MODEL_ERROR, attempt), NOON)
        delays.append(((execution.next_attempt_at or NOON) - NOON).total_seconds())
    longest = [10, 20, 40, 80, 160, 320, 640, 900, 900, 900, 900]
    assert all(limit / 2 <= delay <= limit for delay, limit in zip(delays, longest, strict=True))
    assert len({delay / limit for delay, limit in zip(delays, longest, strict=True)}) > 5


@pytest.mark.parametrize("over", [*ENDS, retried()])
def test_a_late_end_without_usage_records_nothing(over: Any) -> None:
    late = end().model_copy(update={"usage": Usage()})
    given(started(), over, max_retries=3).when(lambda each: each.end_attempt(late, NOON)).then()


def test_the_end_of_an_earlier_attempt_records_nothing() -> None:
    given(started(), retried(), started(2)).when(lambda each: each.end_attempt(end(), NOON)).then()


@pytest.mark.parametrize("past", [[], [started()], [started(), retried(), started(2)], *([started(), e] for e in ENDS)])
def test_the_next_attempt_starts_only_after_a_failure(past: list[Any]) -> None:
    given(*past).when(lambda execution: execution.start_next_attempt(NOON)).then()


def test_the_next_attempt_starts_even_if_the_clock_was_set_back() -> None:
    execution = given(started(), retried(at=NOON))
    execution.when(lambda each: each.start_next_attempt(NOON - timedelta(hours=1))).then(started(2))


def test_a_timeout_ends_a_run() -> None:
    given(started()).when(lambda execution: execution.time_out()).then(TIMED_OUT)


def test_a_timeout_between_two_attempts_has_no_run_to_cancel() -> None:
    given(started(), retried()).when(lambda each: each.time_out()).then(ExecutionTimedOut(task_id=TASK_ID, attempt=1))


@pytest.mark.parametrize("over", ENDS)
def test_an_execution_that_is_over_is_not_ended_again(over: Any) -> None:
    given(started(), over).when(lambda each: (each.time_out(), each.expire(), each.request_check(NOON))).then()


def test_a_start_deadline_ends_an_execution_that_waits() -> None:
    execution = given().aggregate
    execution.expire()
    [missed] = execution.pending
    assert isinstance(missed, ExecutionMissed)
    assert missed.error_code == Code.START_DEADLINE_EXCEEDED


@pytest.mark.parametrize("past", [[started()], [started(), retried()]])
def test_a_start_deadline_does_not_end_an_execution_that_has_started(past: list[Any]) -> None:
    given(*past).when(lambda execution: execution.expire()).then()


def test_a_cancelled_execution_names_its_run() -> None:
    cancelled = ExecutionCancelled.model_validate(TIMED_OUT.model_dump() | {"reason": "overlap"})
    given(started()).when(lambda execution: execution.cancel("overlap")).then(cancelled)


@pytest.mark.parametrize(("past", "attempt"), [([], 0), ([started(), retried()], 1)])
def test_a_cancelled_execution_without_a_run_names_none(past: list[Any], attempt: int) -> None:
    cancelled = ExecutionCancelled(task_id=TASK_ID, attempt=attempt, reason="requested")
    given(*past).when(lambda execution: execution.cancel("requested")).then(cancelled)


@pytest.mark.parametrize("over", ENDS)
def test_an_execution_that_is_over_cannot_be_cancelled(over: Any) -> None:
    given(started(), over).when(lambda execution: execution.cancel("requested")).refused(Code.EXECUTION_OVER)


def test_an_execution_is_skipped_with_its_reason() -> None:
    given().when(lambda execution: execution.skip(FAILURE)).then(ENDS[4])


def test_a_check_of_a_run_is_requested() -> None:
    then = ExecutionCheckRequested(
        task_id=TASK_ID,
        attempt=1,
        session_id=started().session_id,
        run_id=started().run_id,
        next_check_at=NOON + timedelta(minutes=10),
    )
    given(started(), submitted()).when(lambda execution: execution.request_check(NOON)).then(then)


def test_checks_are_at_most_an_hour_apart_whatever_their_number() -> None:
    check = ExecutionCheckRequested.model_validate(ExecutionCheckRequested.sample)
    execution = given(started(), submitted(), *[check] * 100).aggregate
    execution.request_check(NOON)
    assert getattr(execution.pending[-1], "next_check_at", None) == NOON + timedelta(hours=1)


@pytest.mark.parametrize("past", [[], [started()], [started(), submitted(), retried()]])
def test_no_check_is_requested_without_a_run(past: list[Any]) -> None:
    given(*past).when(lambda execution: execution.request_check(NOON)).then()


@pytest.mark.parametrize(
    "past", [[], [started()], [started(), submitted(), retried()], *([started(), e] for e in ENDS)]
)
def test_the_state_of_an_execution_survives_a_snapshot(past: list[Any]) -> None:
    execution, codec, copy = given(*past, variables={"a": [1]}).aggregate, codec_of(Execution), Execution(ID)
    codec.restore(copy, execution.version, NOON, codec.dump(execution))
    assert codec.dump(copy) == codec.dump(execution)
    assert copy.is_over == (past[1:] != [] and past[-1] in ENDS)
