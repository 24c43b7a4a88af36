"""Schedules continue, and repeat nothing, if the clock of a replica, or that of the database, was wrong."""

from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from contracts.task_scheduler.execution import ListExecutions
from contracts.task_scheduler.task import ChangeTask, GetTask, ListNextRuns, PauseTask, ResumeTask
from contracts.task_scheduler.values import TaskChanges
from eventing.due_times import DueTimes
from eventing.testing.due import process_due
from task_scheduler.due import TICK

from .desk import NOON, Desk

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


async def process_ticks(desk: Desk) -> int:
    return await process_due(DueTimes([TICK], desk.dispatcher))


@pytest.fixture
async def task_id(desk: Desk) -> UUID:
    """A task whose first tick is a minute after noon."""
    return (await desk.create(is_scheduled=True, schedule_cron="* * * * *", overlap_policy="allow")).id


@pytest.fixture
async def ahead(desk: Desk, task_id: UUID) -> UUID:
    """A task whose ticks of the next day were processed, because all clocks were a day ahead; they are right again."""
    desk.at(NOON + DAY)
    await process_ticks(desk)
    desk.at(NOON)
    return task_id


async def next_run(desk: Desk, task_id: UUID) -> timedelta:
    next_run_at = (await desk.ask(GetTask(task_id=task_id))).next_run_at
    assert next_run_at
    return next_run_at - NOON


async def test_a_replica_whose_clock_is_a_day_ahead_misses_no_tick(
    desk: Desk, task_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.at(NOON + MINUTE)  # the clock of the database and of the other replica
    monkeypatch.setattr("runtime.clock.now", lambda: NOON + DAY)
    assert await process_ticks(desk) == 1
    assert await process_ticks(desk) == 0
    assert await desk.executions(task_id) == [("running", "scheduled")]
    assert await next_run(desk, task_id) == 2 * MINUTE


async def test_a_resumed_schedule_continues_now_though_a_clock_was_ahead(desk: Desk, ahead: UUID) -> None:
    assert await next_run(desk, ahead) > DAY / 2
    await desk.send(PauseTask(task_id=ahead))
    await desk.send(ResumeTask(task_id=ahead))
    assert await next_run(desk, ahead) == MINUTE


async def test_a_changed_schedule_continues_now_though_a_clock_was_ahead(desk: Desk, ahead: UUID) -> None:
    changes = TaskChanges.model_validate({"schedule_cron": "*/2 * * * *"})
    await desk.send(ChangeTask(task_id=ahead, changes=changes))
    assert await next_run(desk, ahead) == 2 * MINUTE


async def test_no_tick_is_executed_twice_after_a_clock_was_ahead(desk: Desk, ahead: UUID) -> None:
    await desk.send(PauseTask(task_id=ahead))
    await desk.send(ResumeTask(task_id=ahead))
    for minute in (1, 2, 3):
        desk.at(NOON + minute * MINUTE)
        assert await process_ticks(desk) == 1
    executions = (await desk.ask(ListExecutions(task_id=ahead, limit=100))).items
    assert max(Counter(execution.scheduled_for for execution in executions).values()) == 1
    assert await next_run(desk, ahead) == 4 * MINUTE


async def test_the_next_runs_begin_with_the_tick_that_is_stored(desk: Desk, ahead: UUID) -> None:
    first, second = (await desk.ask(ListNextRuns(task_id=ahead, count=2))).items
    assert first - NOON == await next_run(desk, ahead)
    assert second == first + MINUTE
