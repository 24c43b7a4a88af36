"""Backfills: executions for the ticks of a period in the past, in order, one at a time."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from contracts.messages import Command
from contracts.refusals import Code, Refusal
from contracts.task_scheduler.attempt import EndAttempt, StartNextAttempt
from contracts.task_scheduler.backfill import (
    BackfillView,
    CancelBackfill,
    GetBackfill,
    ListBackfills,
    ListCompletedTicks,
    StartBackfill,
)
from contracts.task_scheduler.execution import CancelExecution, GetExecution, ListExecutions, TimeOutExecution
from contracts.task_scheduler.execution_view import ExecutionSummary
from contracts.task_scheduler.task import ChangeTask, DeleteTask, PauseTask
from contracts.task_scheduler.task_view import TaskView
from contracts.task_scheduler.values import TaskChanges
from eventing.store import START
from onebox.testing.cases import every_case
from runtime.clock import new_id

from .desk import NOON, STRANGER, Desk

DAY = timedelta(days=1)
TICKS = [datetime.fromisoformat(f"2026-11-{day}T09:00:00Z") for day in (20, 21, 22)]
FROM, TO = TICKS[0], TICKS[-1] + timedelta(hours=1)


@pytest.fixture
async def task(desk: Desk) -> TaskView:
    """A task that is executed each day at nine."""
    return await desk.create(is_scheduled=True, schedule_cron="0 9 * * *")


def command(task: TaskView, from_at: datetime = FROM, to_at: datetime = TO, *, rerun: bool = False) -> StartBackfill:
    return StartBackfill(task_id=task.id, backfill_id=new_id(), from_at=from_at, to_at=to_at, rerun=rerun)


async def start(desk: Desk, task: TaskView, from_at: datetime = FROM, to_at: datetime = TO) -> BackfillView:
    return await desk.send(command(task, from_at, to_at))


async def active(desk: Desk, task: TaskView) -> list[ExecutionSummary]:
    return (await desk.ask(ListExecutions(task_id=task.id, status="running"))).items


async def end(desk: Desk, task: TaskView, code: Code | None = None) -> None:
    """End the attempt of the one execution that is active."""
    [execution] = await active(desk, task)
    await desk.send(EndAttempt(execution_id=execution.id, attempt=execution.attempt, error_code=code))


async def shown(desk: Desk, backfill: BackfillView) -> tuple[str, int, int]:
    view = await desk.ask(GetBackfill(task_id=backfill.task_id, backfill_id=backfill.id))
    return view.status, view.done, view.total


async def ticks(desk: Desk, backfill: BackfillView) -> list[tuple[datetime | None, str]]:
    """Return tick and status of the executions of a backfill, the first one first."""
    page = await desk.ask(ListExecutions(task_id=backfill.task_id, backfill_id=backfill.id))
    return [(each.scheduled_for, each.status) for each in page.items[::-1]]


async def refused(desk: Desk, command: Command[Any], code: Code) -> str:
    """Assert that a command is refused and has recorded nothing; return the detail."""
    before = len(await desk.dispatcher.store.feed(START, 1000))
    with pytest.raises(Refusal) as refusal:
        await desk.send(command)
    assert refusal.value.code is code
    assert len(await desk.dispatcher.store.feed(START, 1000)) == before
    return refusal.value.detail


async def test_a_backfill_starts_the_execution_of_its_first_tick(desk: Desk, task: TaskView) -> None:
    backfill = await start(desk, task)
    assert (backfill.status, backfill.done, backfill.total) == ("running", 0, 3)
    [execution] = await active(desk, task)
    assert (execution.trigger, execution.scheduled_for, execution.backfill_id) == ("backfill", FROM, backfill.id)
    assert execution.id == uuid5(backfill.id, FROM.isoformat())


async def test_the_ticks_are_executed_in_order_one_at_a_time(desk: Desk, task: TaskView) -> None:
    backfill = await start(desk, task)
    for n in range(3):
        assert await ticks(desk, backfill) == [*((each, "completed") for each in TICKS[:n]), (TICKS[n], "running")]
        assert await shown(desk, backfill) == ("running", n, 3)
        await end(desk, task)
    assert await shown(desk, backfill) == ("completed", 3, 3)


async def test_the_end_of_the_period_is_excluded(desk: Desk, task: TaskView) -> None:
    assert (await start(desk, task, FROM, TICKS[-1])).total == 2


async def test_a_failed_execution_does_not_stop_the_others(desk: Desk, task: TaskView) -> None:
    backfill = await start(desk, task)
    await end(desk, task, Code.BUDGET_EXCEEDED)
    [execution] = await active(desk, task)
    await desk.send(TimeOutExecution(execution_id=execution.id))
    await end(desk, task)
    statuses = [status for _, status in await ticks(desk, backfill)]
    assert (statuses, await shown(desk, backfill)) == (["failed", "timed_out", "completed"], ("completed", 3, 3))


async def test_a_cancelled_execution_does_not_stop_the_others(desk: Desk, task: TaskView) -> None:
    backfill = await start(desk, task)
    [execution] = await active(desk, task)
    await desk.send(CancelExecution(task_id=task.id, execution_id=execution.id))
    assert await ticks(desk, backfill) == [(TICKS[0], "cancelled"), (TICKS[1], "running")]


async def test_the_next_tick_waits_for_the_retries_of_an_execution(desk: Desk) -> None:
    task = await desk.create(schedule_cron="0 9 * * *", max_retries=1)
    backfill = await start(desk, task)
    [execution] = await active(desk, task)
    await end(desk, task, Code.MODEL_ERROR)
    assert await ticks(desk, backfill) == [(FROM, "pending")]
    await desk.send(StartNextAttempt(execution_id=execution.id))
    await end(desk, task)
    assert await ticks(desk, backfill) == [(FROM, "completed"), (TICKS[1], "running")]


@pytest.mark.parametrize("policy", ["skip", "queue_one", "cancel_running"])
async def test_a_backfill_runs_beside_the_overlap_policy(desk: Desk, policy: str) -> None:
    task = await desk.create(schedule_cron="0 9 * * *", overlap_policy=policy)
    await start(desk, task)
    await desk.execute(task.id)
    assert await desk.executions(task.id) == [("running", "manual"), ("running", "backfill")]


async def test_a_late_end_does_not_advance_the_backfill_twice(desk: Desk, task: TaskView) -> None:
    backfill = await start(desk, task)
    [execution] = await active(desk, task)
    for _ in range(2):
        await desk.send(EndAttempt(execution_id=execution.id, attempt=1))
    assert await shown(desk, backfill) == ("running", 1, 3)


async def test_a_backfill_continues_while_the_task_is_paused(desk: Desk, task: TaskView) -> None:
    backfill = await start(desk, task)
    await desk.send(PauseTask(task_id=task.id))
    await end(desk, task)
    assert await shown(desk, backfill) == ("running", 1, 3)


async def test_a_backfill_keeps_its_ticks_when_the_schedule_changes(desk: Desk, task: TaskView) -> None:
    backfill = await start(desk, task)
    await desk.send(ChangeTask(task_id=task.id, changes=TaskChanges(schedule_cron="0 12 * * *")))
    await end(desk, task)
    assert await ticks(desk, backfill) == [(TICKS[0], "completed"), (TICKS[1], "running")]


async def test_cancelling_cancels_the_active_execution(desk: Desk, task: TaskView) -> None:
    backfill = await start(desk, task)
    await end(desk, task)
    await desk.send(CancelBackfill(task_id=task.id, backfill_id=backfill.id))
    assert await ticks(desk, backfill) == [(TICKS[0], "completed"), (TICKS[1], "cancelled")]
    assert await shown(desk, backfill) == ("cancelled", 2, 3)


async def test_the_execution_of_a_cancelled_backfill_says_so(desk: Desk, task: TaskView) -> None:
    backfill = await start(desk, task)
    [execution] = await active(desk, task)
    await desk.send(CancelBackfill(task_id=task.id, backfill_id=backfill.id))
    view = await desk.ask(GetExecution(task_id=task.id, execution_id=execution.id))
    assert view.error_detail == "The backfill was cancelled."


async def test_a_backfill_that_is_over_cannot_be_cancelled(desk: Desk, task: TaskView) -> None:
    backfill = await start(desk, task)
    cancel = CancelBackfill(task_id=task.id, backfill_id=backfill.id)
    await desk.send(cancel)
    await refused(desk, cancel, Code.BACKFILL_OVER)


async def test_an_unknown_backfill_cannot_be_cancelled(desk: Desk, task: TaskView) -> None:
    await refused(desk, CancelBackfill(task_id=task.id, backfill_id=new_id()), Code.BACKFILL_NOT_FOUND)


async def test_deleting_the_task_cancels_the_active_execution(desk: Desk, task: TaskView) -> None:
    await start(desk, task)
    [execution] = await active(desk, task)
    await desk.send(DeleteTask(task_id=task.id))
    status = await desk.database.fetchval("SELECT status FROM executions WHERE id = $1", execution.id)
    assert status == "cancelled"
    assert await desk.database.fetchval("SELECT count(*) FROM backfills") == 0


async def test_ticks_that_were_completed_are_left_out(desk: Desk, task: TaskView) -> None:
    await start(desk, task)
    for code in (None, Code.BUDGET_EXCEEDED, None):
        await end(desk, task, code)
    again = await start(desk, task)
    assert (again.total, await ticks(desk, again)) == (1, [(TICKS[1], "running")])


async def test_completed_ticks_are_executed_again_on_request(desk: Desk, task: TaskView) -> None:
    await start(desk, task)
    for _ in TICKS:
        await end(desk, task)
    assert (await desk.send(command(task, rerun=True))).total == 3


async def test_nothing_is_left_when_all_ticks_were_completed(desk: Desk, task: TaskView) -> None:
    await start(desk, task)
    for _ in TICKS:
        await end(desk, task)
    await refused(desk, command(task), Code.NOTHING_TO_BACKFILL)


async def test_a_period_without_a_tick_is_refused(desk: Desk, task: TaskView) -> None:
    await refused(desk, command(task, FROM + timedelta(hours=1), TICKS[1]), Code.NOTHING_TO_BACKFILL)


async def test_a_task_without_a_schedule_is_refused(desk: Desk) -> None:
    await refused(desk, command(await desk.create()), Code.NO_SCHEDULE)


async def test_a_second_backfill_is_refused_while_one_is_running(desk: Desk, task: TaskView) -> None:
    await start(desk, task)
    await refused(desk, command(task), Code.BACKFILL_RUNNING)


@every_case(
    ("from_at", "to_at"),
    [
        (FROM, NOON + timedelta(seconds=1)),
        (FROM, FROM),
        (TO, FROM),
        (FROM.replace(year=1999), TO),
    ],
)
async def test_an_impossible_period_is_refused(desk: Desk, task: TaskView, from_at: datetime, to_at: datetime) -> None:
    await refused(desk, command(task, from_at, to_at), Code.BACKFILL_PERIOD_INVALID)


@pytest.mark.parametrize(
    ("cron", "period", "number"),
    [("* * * * *", timedelta(minutes=501), "501"), ("* * * * *", 300 * DAY, "more than 2000")],
)
async def test_a_refusal_says_how_many_ticks_there_are(desk: Desk, cron: str, period: timedelta, number: str) -> None:
    task = await desk.create(schedule_cron=cron)
    assert f"has {number} ticks" in await refused(desk, command(task, NOON - period, NOON), Code.BACKFILL_TOO_LARGE)


async def test_a_backfill_may_have_five_hundred_ticks(desk: Desk) -> None:
    task = await desk.create(schedule_cron="* * * * *")
    assert (await start(desk, task, NOON - timedelta(minutes=500), NOON)).total == 500


async def test_backfills_are_listed_newest_first(desk: Desk, task: TaskView) -> None:
    older = await start(desk, task)
    await desk.send(CancelBackfill(task_id=task.id, backfill_id=older.id))
    newer = await start(desk, task)
    page = await desk.ask(ListBackfills(task_id=task.id))
    assert ([item.id for item in page.items], page.total) == ([newer.id, older.id], 2)


async def test_backfills_of_another_user_are_not_found(desk: Desk, task: TaskView) -> None:
    ids: dict[str, UUID] = {"task_id": task.id, "backfill_id": (await start(desk, task)).id}
    for query in (GetBackfill(**ids), ListBackfills(task_id=task.id), ListCompletedTicks(task_id=task.id, ticks=TICKS)):
        with pytest.raises(Refusal, match=Code.TASK_NOT_FOUND):
            await desk.ask(query, STRANGER)
    for each in (CancelBackfill(**ids), command(task)):
        with pytest.raises(Refusal, match=Code.TASK_NOT_FOUND):
            await desk.send(each, STRANGER)
