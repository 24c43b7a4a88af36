"""How many executions of a user events may start within an hour."""

from datetime import timedelta

import pytest
from contracts.refusals import Code
from contracts.session.run import RunCompleted
from contracts.task_scheduler.execution import ListExecutions
from contracts.task_scheduler.task_view import TaskView
from runtime.clock import new_id

from .desk import ADMIN, EVENT_EXECUTIONS, NOON, Desk
from .event_source import EventSource

HOUR = timedelta(hours=1)
COMPLETED = "session.run_completed"


@pytest.fixture
def source(desk: Desk) -> EventSource:
    return EventSource(desk)


@pytest.fixture
async def task(desk: Desk) -> TaskView:
    desk.at(NOON - HOUR)
    task = await desk.create(on=[COMPLETED], overlap_policy="allow")
    desk.at(NOON)
    return task


async def complete(desk: Desk, source: EventSource, task: TaskView, times: int = 1) -> list[tuple[str, Code | None]]:
    """Let runs of sessions that are in no chain complete; return how the executions ended, oldest first."""
    for _ in range(times):
        await source.publish(RunCompleted.example(), id=new_id())
    page = await desk.ask(ListExecutions(task_id=task.id, limit=times))
    return [(each.status, each.error_code) for each in reversed(page.items)]


async def test_events_start_a_limited_number_of_executions(desk: Desk, source: EventSource, task: TaskView) -> None:
    outcomes = await complete(desk, source, task, EVENT_EXECUTIONS + 2)
    assert outcomes == [("running", None)] * EVENT_EXECUTIONS + [("skipped", Code.QUOTA_EXCEEDED)] * 2


async def test_the_limit_is_that_of_an_hour(desk: Desk, source: EventSource, task: TaskView) -> None:
    await complete(desk, source, task, EVENT_EXECUTIONS)
    desk.at(NOON + HOUR)
    assert await complete(desk, source, task) == [("running", None)]


async def test_all_tasks_of_a_user_share_the_limit(desk: Desk, source: EventSource, task: TaskView) -> None:
    await complete(desk, source, task, EVENT_EXECUTIONS)
    desk.at(NOON + HOUR / 3)
    other = await desk.create(on=[COMPLETED])
    desk.at(NOON + HOUR / 2)
    assert await complete(desk, source, other) == [("skipped", Code.QUOTA_EXCEEDED)]


async def test_others_are_not_limited_by_it(desk: Desk, source: EventSource, task: TaskView) -> None:
    desk.at(NOON - HOUR)
    other = await desk.create(on=[COMPLETED], actor=ADMIN)
    desk.at(NOON)
    await complete(desk, source, task, EVENT_EXECUTIONS)
    await source.publish(RunCompleted.example(), id=new_id(), owner=ADMIN.user_id)
    page = await desk.ask(ListExecutions(task_id=other.id), ADMIN)
    assert [each.status for each in page.items] == ["running"]


async def test_executions_by_hand_do_not_count(desk: Desk, source: EventSource, task: TaskView) -> None:
    for _ in range(EVENT_EXECUTIONS):
        await desk.execute(task.id)
    assert await complete(desk, source, task) == [("running", None)]


async def test_skipped_executions_do_not_count(desk: Desk, source: EventSource) -> None:
    desk.at(NOON - HOUR)
    task = await desk.create(on=[COMPLETED])
    desk.at(NOON)
    await complete(desk, source, task, EVENT_EXECUTIONS + 1)
    [running] = (await desk.ask(ListExecutions(task_id=task.id, status="running"))).items
    await desk.end(await desk.latest(running))
    assert await complete(desk, source, task) == [("running", None)]
