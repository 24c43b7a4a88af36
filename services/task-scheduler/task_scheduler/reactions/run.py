"""Ends attempts with their runs, and runs with their attempts."""

from typing import Any
from uuid import UUID

from contracts.messages import Command
from contracts.refusals import Code, Refusal
from contracts.session.run import CancelRun, GetRunSummary, RunCancelled, RunCompleted, RunFailed, UsageRecorded
from contracts.session.session import SessionDeleted
from contracts.session.values import Usage
from contracts.task_scheduler.attempt import EndAttempt, ExecutionCheckRequested, RecordUsage
from contracts.task_scheduler.execution import CancelExecution, ExecutionCancelled, ExecutionTimedOut
from eventing.reactions import Reaction, Reactions
from eventing.recording import Recorded

from task_scheduler.dependencies import Dependencies
from task_scheduler.executions import ActiveAttempt
from task_scheduler.reactions.event import start_tasks

RUN_GONE = "The run of the execution, or its session, was deleted."
NO_RUN = frozenset({Code.RUN_NOT_FOUND, Code.SESSION_NOT_FOUND})
NOT_ACTIVE = frozenset({Code.RUN_OVER, *NO_RUN})
"""Refusals to cancel a run that mean that none is active."""
OVER = frozenset({Code.EXECUTION_OVER, Code.EXECUTION_NOT_FOUND, Code.TASK_NOT_FOUND})

reactions = Reactions()

# A new reaction receives all events in the stream of the session service: one of a run that is not an execution's
# costs one read of an index, and another one if it has cost something.


@reactions.shared("complete_attempt")
async def complete_attempt(recorded: Recorded[RunCompleted], reaction: Reaction[Dependencies]) -> None:
    """End the attempt whose run was completed."""
    if attempt := await reaction.dependencies.executions.of_run(recorded.event.run_id):
        await _end(attempt, reaction, recorded.event.usage)
    else:
        await _record_usage(recorded, reaction)


@reactions.shared("fail_attempt")
async def fail_attempt(recorded: Recorded[RunFailed], reaction: Reaction[Dependencies]) -> None:
    """End the attempt whose run failed."""
    event = recorded.event
    if attempt := await reaction.dependencies.executions.of_run(event.run_id):
        await _end(attempt, reaction, event.usage, event.error_code, event.error_detail)
    else:
        await _record_usage(recorded, reaction)


@reactions.shared("record_usage")
async def record_usage(recorded: Recorded[UsageRecorded], reaction: Reaction[Dependencies]) -> None:
    """Record the usage of a run that had ended before its agent reported it."""
    await _record_usage(recorded, reaction)


@reactions.shared("cancel_with_run")
async def cancel_with_run(recorded: Recorded[RunCancelled], reaction: Reaction[Dependencies]) -> None:
    """Cancel the execution whose run was cancelled: its user did that, so it has not failed."""
    if attempt := await reaction.dependencies.executions.of_run(recorded.event.run_id):
        await _cancel(attempt, reaction)
    await _record_usage(recorded, reaction)


@reactions.shared("cancel_with_session")
async def cancel_with_session(recorded: Recorded[SessionDeleted], reaction: Reaction[Dependencies]) -> None:
    """Cancel the execution whose session was deleted before it had a run."""
    if attempt := await reaction.dependencies.executions.of_session(recorded.id):
        await _cancel(attempt, reaction)


@reactions.shared("check_run")
async def check_run(recorded: Recorded[ExecutionCheckRequested], reaction: Reaction[Dependencies]) -> None:
    """End the attempt whose run has ended, in case the event of that was lost."""
    event = recorded.event
    attempt = ActiveAttempt(recorded.id, event.task_id, event.attempt)
    try:
        run = await reaction.ask(GetRunSummary(session_id=event.session_id, run_id=event.run_id))
    except Refusal as refusal:
        if refusal.code not in NO_RUN:
            raise
        await _end(attempt, reaction, Usage(), Code.RUN_NOT_FOUND, RUN_GONE)
        return
    if run.status == "cancelled":
        await _cancel(attempt, reaction)
        await _send_usage(attempt.execution_id, event.run_id, run.usage, reaction)
    elif run.status in ("completed", "failed"):
        await _end(attempt, reaction, run.usage, run.error_code, run.error_detail or "")


@reactions.persistent("cancel_run")
async def cancel_run_of_cancelled(recorded: Recorded[ExecutionCancelled], reaction: Reaction[Dependencies]) -> None:
    """Cancel the run of a cancelled execution."""
    await _cancel_run(recorded.event, reaction)


@reactions.persistent("cancel_late_run")
async def cancel_run_of_timed_out(recorded: Recorded[ExecutionTimedOut], reaction: Reaction[Dependencies]) -> None:
    """Cancel the run of an execution that took too long, and start the tasks that start on that event."""
    await _cancel_run(recorded.event, reaction)
    await start_tasks(recorded, reaction)


async def cancel_run(session_id: UUID, run_id: UUID, reaction: Reaction[Dependencies]) -> None:
    """Cancel a run, unless it is over. One that a worker has still to submit is never submitted."""
    try:
        await reaction.send(CancelRun(session_id=session_id, run_id=run_id, in_advance=True))
    except Refusal as refusal:
        if refusal.code not in NOT_ACTIVE:
            raise


async def _cancel_run(event: ExecutionCancelled | ExecutionTimedOut, reaction: Reaction[Dependencies]) -> None:
    if event.session_id and event.run_id:
        await cancel_run(event.session_id, event.run_id, reaction)


async def _end(
    attempt: ActiveAttempt,
    reaction: Reaction[Dependencies],
    usage: Usage,
    error_code: Code | None = None,
    error_detail: str = "",
) -> None:
    ended = EndAttempt(
        execution_id=attempt.execution_id,
        attempt=attempt.attempt,
        usage=usage,
        error_code=error_code,
        error_detail=error_detail,
    )
    await _unless_over(ended, reaction)


async def _cancel(attempt: ActiveAttempt, reaction: Reaction[Dependencies]) -> None:
    await _unless_over(CancelExecution(task_id=attempt.task_id, execution_id=attempt.execution_id), reaction)


async def _record_usage(
    recorded: Recorded[UsageRecorded] | Recorded[RunCompleted] | Recorded[RunFailed] | Recorded[RunCancelled],
    reaction: Reaction[Dependencies],
) -> None:
    """Record the usage of a run that becomes known after its attempt has ended."""
    event = recorded.event
    if event.usage != Usage() and (id := await reaction.dependencies.executions.with_session(recorded.id)):
        await _send_usage(id, event.run_id, event.usage, reaction)


async def _send_usage(execution_id: UUID, run_id: UUID, usage: Usage, reaction: Reaction[Dependencies]) -> None:
    await _unless_over(RecordUsage(execution_id=execution_id, run_id=run_id, usage=usage), reaction)


async def _unless_over(command: Command[Any], reaction: Reaction[Dependencies]) -> None:
    try:
        await reaction.send(command)
    except Refusal as refusal:
        if refusal.code not in OVER:
            raise
