"""Handlers of commands about backfills."""

import asyncio
from datetime import UTC, datetime, timedelta

from contracts.refusals import Code, Refusal
from contracts.task_scheduler.backfill import CancelBackfill, GetBackfill, ListCompletedTicks, StartBackfill
from contracts.task_scheduler.values import MAX_BACKFILL_TICKS, TaskDefinition
from eventing.handling import Handlers

from task_scheduler.admission import TaskExecutions
from task_scheduler.aggregate import Task
from task_scheduler.aggregate.schedule import parse_schedule
from task_scheduler.dependencies import Work

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
MAX_COUNTED_TICKS = 2000
"""Ticks of a period that are counted for the message of a refusal: a limit, since that takes 0.1 s."""
MICROSECOND = timedelta(microseconds=1)

handles = Handlers()


@handles
async def start_backfill(command: StartBackfill, work: Work) -> None:
    """Start a backfill with the execution of its first tick."""
    executions = TaskExecutions(await work.load_owned(Task, command.task_id), work)
    task = executions.task
    task.check_no_backfill()
    ticks = await asyncio.to_thread(_ticks, command, task.definition, work.now)
    if not command.rerun:
        completed = {*await work.ask(ListCompletedTicks(task_id=task.id, ticks=ticks))}
        ticks = [tick for tick in ticks if tick not in completed]
    task.start_backfill(command.backfill_id, command.from_at, command.to_at, ticks)
    executions.continue_backfill()
    await executions.save()


@handles
async def cancel_backfill(command: CancelBackfill, work: Work) -> None:
    """Cancel a backfill and its active execution."""
    executions = TaskExecutions(await work.load_owned(Task, command.task_id), work)
    # The state does not contain backfills that are over: this raises BACKFILL_NOT_FOUND for one that never existed.
    await work.ask(GetBackfill(task_id=command.task_id, backfill_id=command.backfill_id))
    await executions.cancel(executions.task.cancel_backfill(command.backfill_id), "backfill_cancelled")
    await executions.save()


def _ticks(command: StartBackfill, definition: TaskDefinition, now: datetime) -> list[datetime]:
    """Return the ticks of the period.

    Raises:
        Refusal: NO_SCHEDULE, BACKFILL_PERIOD_INVALID, BACKFILL_TOO_LARGE.
    """
    if definition.schedule_cron is None:
        raise Refusal(Code.NO_SCHEDULE, "The task has no schedule_cron, so it has no ticks to backfill.")
    if not EARLIEST <= command.from_at < command.to_at <= now:
        detail = f"from: must be before `to`, and not before {EARLIEST.year}; to: must not be in the future."
        raise Refusal(Code.BACKFILL_PERIOD_INVALID, detail)
    after, until = command.from_at - MICROSECOND, command.to_at - MICROSECOND
    ticks = [*parse_schedule(definition).ticks(after, until, MAX_COUNTED_TICKS + 1)]
    if len(ticks) > MAX_BACKFILL_TICKS:
        number = len(ticks) if len(ticks) <= MAX_COUNTED_TICKS else f"more than {MAX_COUNTED_TICKS}"
        detail = f"The schedule has {number} ticks in this period; a backfill has at most {MAX_BACKFILL_TICKS}."
        raise Refusal(Code.BACKFILL_TOO_LARGE, detail)
    return ticks
