"""The read model of executions, and their due times."""

from typing import Any, assert_never

from contracts.refusals import Code
from contracts.session.values import Usage
from contracts.task_scheduler.attempt import (
    AttemptEvent,
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
from contracts.task_scheduler.values import TaskCancelReason
from eventing.database import Connection
from eventing.due import cancel_all
from eventing.recording import Recorded

from task_scheduler.aggregate.execution import MIN_CHECK_INTERVAL
from task_scheduler.due import EXECUTION_CHECK, EXECUTION_RETRY, EXECUTION_TIMEOUT, OF_EXECUTIONS, START_DEADLINE
from task_scheduler.projections.event import project_earlier_attempt

CANCEL_DETAILS: dict[TaskCancelReason, str] = {
    "requested": "The execution was cancelled.",
    "overlap": "The execution was cancelled because another one of the task started.",
    "backfill_cancelled": "The backfill was cancelled.",
    "task_deleted": "The task was deleted.",
}
type Ended = (
    ExecutionCompleted | ExecutionFailed | ExecutionTimedOut | ExecutionCancelled | ExecutionSkipped | ExecutionMissed
)

START = """
    UPDATE executions SET status = 'running', attempt = $2, session_id = $3, run_id = $4, prompt = NULL,
        submitted = false, error_code = NULL, error_detail = NULL, next_attempt_at = NULL,
        started_at = coalesce(started_at, $5)
    WHERE id = $1"""
END_ATTEMPT = """
    UPDATE executions SET status = $2, error_code = $3, error_detail = $4, next_attempt_at = $5, completed_at = $6,
        duration_ms = duration_ms + $7, input_tokens = input_tokens + $8, output_tokens = output_tokens + $9,
        cost_usd = cost_usd + $10
    WHERE id = $1"""
ADD_USAGE = """
    UPDATE executions SET duration_ms = duration_ms + $2, input_tokens = input_tokens + $3,
        output_tokens = output_tokens + $4, cost_usd = cost_usd + $5
    WHERE id = $1"""


async def project_execution(event: ExecutionEvent, recorded: Recorded[Any], db: Connection) -> None:
    """Update the read model with one event of an execution."""
    if isinstance(event, AttemptEvent):
        await project_attempt(event, recorded, db)
        return
    match event:
        case ExecutionCreated():
            await _create(event, recorded, db)
        case (
            ExecutionCompleted()
            | ExecutionFailed()
            | ExecutionTimedOut()
            | ExecutionCancelled()
            | ExecutionSkipped()
            | ExecutionMissed()
        ):
            await _end(event, recorded, db)
        case _:
            assert_never(event)


async def project_attempt(event: AttemptEvent, recorded: Recorded[Any], db: Connection) -> None:
    """Update the read model with one event of an attempt."""
    id = recorded.id
    match event:
        case ExecutionStarted():
            await _start(event, recorded, db)
        case ExecutionSubmitted():
            await db.execute("UPDATE executions SET submitted = true, prompt = $2 WHERE id = $1", id, event.prompt)
            await EXECUTION_CHECK.set(recorded, id, recorded.at + MIN_CHECK_INTERVAL, db)
        case ExecutionRetryScheduled():
            failure, usage = (event.error_code, event.error_detail), _values(event.usage)
            await db.execute(END_ATTEMPT, id, "pending", *failure, event.at, None, *usage)
            await EXECUTION_CHECK.cancel(id, db)
            await EXECUTION_RETRY.set(recorded, id, event.at, db)
        case ExecutionCheckRequested():
            await EXECUTION_CHECK.set(recorded, id, event.next_check_at, db)
        case ExecutionUsageRecorded():
            await db.execute(ADD_USAGE, id, *_values(event.usage))
        case _:
            assert_never(event)


async def _create(event: ExecutionCreated, recorded: Recorded[Any], db: Connection) -> None:
    await db.execute(
        "INSERT INTO executions (id, task_id, user_id, trigger, scheduled_for, variables, chain, retry_of, "
        "backfill_id, trigger_id, report_format, created_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        recorded.id, event.task_id, event.user_id, event.trigger, event.scheduled_for, event.variables, event.chain,
        event.retry_of, event.backfill_id, event.trigger_id, event.report_format, recorded.at,
    )  # fmt: skip
    if event.start_deadline_at:
        await START_DEADLINE.set(recorded, recorded.id, event.start_deadline_at, db)


async def _end(event: Ended, recorded: Recorded[Any], db: Connection) -> None:
    usage = event.usage if isinstance(event, ExecutionCompleted | ExecutionFailed) else Usage()
    await db.execute(END_ATTEMPT, recorded.id, *_outcome(event), None, recorded.at, *_values(usage))
    await cancel_all(OF_EXECUTIONS, recorded.id, db)


async def _start(event: ExecutionStarted, recorded: Recorded[Any], db: Connection) -> None:
    await project_earlier_attempt(event, recorded, db)
    await db.execute(START, recorded.id, event.attempt, event.session_id, event.run_id, recorded.at)
    if event.timeout_at:
        await EXECUTION_TIMEOUT.set(recorded, recorded.id, event.timeout_at, db)
    # A start deadline is not cancelled: when it is reached, it changes nothing.
    if event.attempt > 1:
        await EXECUTION_RETRY.cancel(recorded.id, db)


def _outcome(event: Ended) -> tuple[str, Code | None, str | None]:
    match event:
        case ExecutionCompleted():
            return "completed", None, None
        case ExecutionFailed():
            return "failed", event.error_code, event.error_detail
        case ExecutionSkipped():
            return "skipped", event.error_code, event.error_detail
        case ExecutionMissed():
            return "missed", event.error_code, event.error_detail
        case ExecutionTimedOut():
            return "timed_out", Code.RUN_TIMEOUT, "The execution reached its timeout_seconds."
        case ExecutionCancelled():
            return "cancelled", Code.RUN_CANCELLED, CANCEL_DETAILS[event.reason]
        case _:
            assert_never(event)


def _values(usage: Usage) -> tuple[object, ...]:
    return usage.duration_ms, usage.input_tokens, usage.output_tokens, usage.cost_usd
