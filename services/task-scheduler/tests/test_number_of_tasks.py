"""A user has a limited number of tasks, whose schedules could otherwise make those of others late."""

import asyncio

import pytest
from contracts.refusals import Code, Refusal
from contracts.task_scheduler.task import DeleteTask
from task_scheduler import constraints

from .desk import ADMIN, STRANGER, Desk


@pytest.fixture(autouse=True)
def limit(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(constraints, "MAX_TASKS", 2)
    return 2


async def fill(desk: Desk, number: int) -> None:
    for _ in range(number):
        await desk.create(schedule_cron="* * * * *", is_scheduled=True)


async def test_a_task_beyond_the_limit_is_refused_and_not_scheduled(desk: Desk, limit: int) -> None:
    await fill(desk, limit)
    with pytest.raises(Refusal, match=Code.TOO_MANY_TASKS):
        await fill(desk, 1)
    assert await desk.database.fetchval("SELECT count(*) FROM due") == limit


async def test_tasks_that_are_created_at_once_do_not_pass_the_limit(desk: Desk, limit: int) -> None:
    outcomes = await asyncio.gather(*(desk.create() for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(each, Refusal) for each in outcomes) == 8 - limit


async def test_other_users_have_tasks_of_their_own(desk: Desk, limit: int) -> None:
    await fill(desk, limit)
    assert await desk.create(STRANGER)


async def test_a_deleted_task_does_not_count(desk: Desk, limit: int) -> None:
    first = await desk.create()
    await fill(desk, limit - 1)
    await desk.send(DeleteTask(task_id=first.id))
    assert await desk.create()


async def test_administrators_are_not_limited(desk: Desk, limit: int) -> None:
    for _ in range(limit + 1):
        assert await desk.create(ADMIN)
