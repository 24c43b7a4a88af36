"""Chains of tasks that start each other by events: they are bounded, and contain no loop."""

from datetime import timedelta
from uuid import UUID

import pytest
from contracts.refusals import Code
from contracts.session.run import CancelRun, RunFailed
from contracts.task_scheduler.attempt import StartNextAttempt
from contracts.task_scheduler.execution import (
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionMissed,
    ExecutionTimedOut,
    ListExecutions,
    TimeOutExecution,
)
from contracts.task_scheduler.execution_view import ExecutionSummary, ExecutionView
from contracts.task_scheduler.task import DeleteTask
from contracts.task_scheduler.task_view import TaskView
from contracts.task_scheduler.values import MAX_CHAIN
from task_scheduler.queries.event import MAX_STARTS

from .desk import NOON, Desk
from .event_source import EventSource

MINUTE = timedelta(minutes=1)
FAILED = "task.execution_failed"


@pytest.fixture
def source(desk: Desk) -> EventSource:
    return EventSource(desk)


async def create(desk: Desk, *names: str, max_retries: int = 0) -> TaskView:
    desk.at(NOON - MINUTE)
    task = await desk.create(on=[*names], overlap_policy="allow", max_retries=max_retries)
    desk.at(NOON)
    return task


async def newest(desk: Desk, task: TaskView) -> ExecutionView:
    page = await desk.ask(ListExecutions(task_id=task.id, limit=1))
    return await desk.latest(ExecutionView(**dict(page.items[0]), variables={}, prompt=None))


async def fail(desk: Desk, source: EventSource, execution: ExecutionView) -> None:
    """Let an execution fail, and deliver the event."""
    await desk.end(execution, Code.BUDGET_EXCEEDED)
    await source.see_latest(ExecutionFailed, execution.id)


async def outcomes(desk: Desk, task: TaskView) -> list[tuple[str, Code | None]]:
    items: list[ExecutionSummary] = (await desk.ask(ListExecutions(task_id=task.id))).items
    return [(item.status, item.error_code) for item in items]


async def test_an_execution_that_fails_starts_another_task(desk: Desk, source: EventSource) -> None:
    first, second = await create(desk), await create(desk, FAILED)
    execution = await desk.execute(first.id)
    await fail(desk, source, execution)
    [created] = await source.created(second)
    assert created.chain == [first.id]
    ids = {"event": FAILED, "execution_id": str(execution.id), "task_id": str(first.id)}
    assert created.variables.items() >= ids.items()


async def test_an_event_starts_fewer_tasks_further_down_a_chain(desk: Desk, source: EventSource) -> None:
    tasks = [await create(desk, FAILED) for _ in range(7)]
    await fail(desk, source, await desk.execute(tasks[0].id))
    assert [await outcomes(desk, task) for task in tasks[1:]] == [[("running", None)]] * 5 + [[]]
    await fail(desk, source, await newest(desk, tasks[1]))
    started = [task for task in tasks if len(await outcomes(desk, task)) == 2]
    assert started == tasks[2:5]


def test_each_length_of_a_chain_has_a_limit_of_tasks() -> None:
    assert len(MAX_STARTS) == MAX_CHAIN + 1


async def test_a_session_of_an_execution_carries_its_chain(desk: Desk, source: EventSource) -> None:
    first, second = await create(desk), await create(desk, "session.run_failed")
    execution = await desk.execute(first.id)
    assert execution.session_id
    await source.publish(RunFailed.example(), id=execution.session_id)
    [created] = await source.created(second)
    assert created.chain == [first.id]


async def test_a_session_of_an_earlier_attempt_carries_the_chain_too(desk: Desk, source: EventSource) -> None:
    first, second = await create(desk, max_retries=2), await create(desk, "session.run_failed")
    execution, sessions = await desk.execute(first.id), list[UUID]()
    for _ in range(2):
        assert execution.session_id
        sessions.append(execution.session_id)
        execution = await desk.end(execution, Code.MODEL_ERROR)
        await desk.send(StartNextAttempt(execution_id=execution.id))
        execution = await desk.latest(execution)
    for session_id in sessions:
        await source.publish(RunFailed.example(), id=session_id)
    assert [created.chain for created in await source.created(second)] == [[first.id]] * 2


async def test_a_session_of_a_user_begins_a_chain(desk: Desk, source: EventSource) -> None:
    await desk.execute((await create(desk)).id)
    task = await create(desk, "session.run_failed")
    await source.publish(RunFailed.example())
    [created] = await source.created(task)
    assert created.chain == []


async def test_a_task_does_not_start_itself(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "task.*", "session.*")
    execution = await desk.execute(task.id)
    assert execution.session_id
    await source.publish(RunFailed.example(), id=execution.session_id)
    await fail(desk, source, execution)
    loop = ("skipped", Code.CHAIN_LOOP)
    assert await outcomes(desk, task) == [loop, loop, ("failed", Code.BUDGET_EXCEEDED)]


async def test_two_tasks_do_not_start_each_other_for_ever(desk: Desk, source: EventSource) -> None:
    first, second = await create(desk, FAILED), await create(desk, FAILED)
    await fail(desk, source, await desk.execute(first.id))
    await fail(desk, source, await newest(desk, second))
    loop = ("skipped", Code.CHAIN_LOOP)
    # Each of the two failures is an event for both tasks.
    assert await outcomes(desk, first) == [loop, loop, ("failed", Code.BUDGET_EXCEEDED)]
    assert await outcomes(desk, second) == [loop, ("failed", Code.BUDGET_EXCEEDED)]


async def test_a_loop_over_sessions_and_executions_ends(desk: Desk, source: EventSource) -> None:
    first, second = await create(desk, FAILED), await create(desk, "session.run_failed")
    execution = await desk.execute(first.id)
    assert execution.session_id
    await source.publish(RunFailed.example(), id=execution.session_id)
    await fail(desk, source, await newest(desk, second))
    assert (await outcomes(desk, first))[0] == ("skipped", Code.CHAIN_LOOP)


async def test_a_chain_of_more_than_five_tasks_ends(desk: Desk, source: EventSource) -> None:
    tasks = [await create(desk)]
    execution = await desk.execute(tasks[0].id)
    for _ in range(5):
        tasks.append(await create(desk, FAILED))
        await fail(desk, source, execution)
        execution = await newest(desk, tasks[-1])
    assert (execution.status, execution.error_code) == ("skipped", Code.CHAIN_TOO_LONG)
    [created] = await source.created(tasks[-1])
    assert created.chain == [task.id for task in tasks[:5]]


async def test_an_event_of_a_deleted_task_starts_others(desk: Desk, source: EventSource) -> None:
    first, second = await create(desk), await create(desk, FAILED)
    execution = await desk.execute(first.id)
    await desk.end(execution, Code.BUDGET_EXCEEDED)
    await desk.send(DeleteTask(task_id=first.id))
    await source.see_latest(ExecutionFailed, execution.id)
    assert await outcomes(desk, second) == [("running", None)]


async def test_a_completed_execution_starts_tasks(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "task.execution_completed")
    execution = await desk.execute((await create(desk)).id)
    await desk.end(execution)
    await source.see_latest(ExecutionCompleted, execution.id)
    assert await outcomes(desk, task) == [("running", None)]


async def test_an_execution_that_timed_out_starts_tasks_and_cancels_its_run(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "task.execution_timed_out")
    execution = await desk.execute((await create(desk)).id)
    await desk.send(TimeOutExecution(execution_id=execution.id))
    await source.see_latest(ExecutionTimedOut, execution.id)
    assert await outcomes(desk, task) == [("running", None)]
    assert [cancelled.run_id for cancelled in source.others.received(CancelRun)] == [execution.run_id]


async def test_an_execution_that_was_missed_starts_tasks(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "task.execution_missed")
    missed = ExecutionMissed.example()
    await source.publish(missed, id=missed.task_id)
    assert await outcomes(desk, task) == [("running", None)]
