"""The handlers of the attempts of executions, on a store in memory."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Command
from contracts.refusals import Code, Refusal
from contracts.samples import BACKFILL
from contracts.task_scheduler.attempt import EndAttempt, ExecutionCheckRequested, RecordSubmission, StartNextAttempt
from contracts.task_scheduler.backfill import BackfillStarted
from contracts.task_scheduler.execution import CancelExecution, CheckExecution, ExpireExecution, TimeOutExecution
from contracts.task_scheduler.task import DeleteTask
from task_scheduler.admission import TaskExecutions
from task_scheduler.aggregate import Task

from .memory_desk import NOON, STRANGER, TASK_ID, MemoryDesk, definition, execution_id, hourly

ONE = execution_id("one")


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


def cancel(id: UUID) -> CancelExecution:
    return CancelExecution(task_id=TASK_ID, execution_id=id)


async def start_backfill(desk: MemoryDesk, ticks: list[datetime]) -> None:
    """Start a backfill as its handler does."""
    async with desk.work() as work:
        executions = TaskExecutions(await work.load_owned(Task, TASK_ID), work)
        started = BackfillStarted(backfill_id=UUID(BACKFILL), from_at=ticks[0], to_at=NOON, ticks=ticks)
        executions.task.record(started)
        executions.continue_backfill()
        await executions.save()


async def test_the_end_of_an_execution_starts_the_next_one_in_the_same_append(desk: MemoryDesk) -> None:
    await desk.create(definition(overlap_policy="queue_all"))
    ids = [await desk.execute(name) for name in ("one", "two", "three")]
    before = len(desk.store.entries)
    await desk.end(ids[0])
    assert [await desk.status(id) for id in ids] == ["completed", "running", "pending"]
    ended = ["execution_completed", "execution_started", "execution_released", "execution_admitted"]
    assert await desk.events(after=before) == ended


async def test_a_second_end_of_an_attempt_records_nothing(desk: MemoryDesk) -> None:
    await desk.create(definition())
    await desk.execute("one")
    await desk.end(ONE)
    before = await desk.events()
    await desk.end(ONE, Code.MODEL_ERROR)
    assert await desk.events() == before


async def test_an_end_after_the_task_was_deleted_records_nothing(desk: MemoryDesk) -> None:
    await desk.create(definition())
    await desk.execute("one")
    await desk.put(DeleteTask(task_id=TASK_ID))
    before = await desk.events()
    await desk.end(ONE)
    assert await desk.events() == before


async def test_an_execution_that_is_retried_keeps_its_slot(desk: MemoryDesk) -> None:
    await desk.create(definition(max_retries=1))
    await desk.execute("one")
    await desk.end(ONE, Code.MODEL_ERROR)
    assert (await desk.status(ONE), (await desk.task()).active) == ("pending", [ONE])
    with pytest.raises(Refusal, match=Code.TASK_BUSY):
        await desk.execute("two")


async def test_the_next_attempt_starts_at_its_due_time(desk: MemoryDesk) -> None:
    await desk.create(definition(max_retries=1))
    await desk.execute("one")
    await desk.end(ONE, Code.MODEL_ERROR)
    await desk.put(StartNextAttempt(execution_id=ONE))
    execution = await desk.execution(ONE)
    assert (execution.status, execution.attempt) == ("running", 2)


async def test_the_last_failure_ends_the_execution(desk: MemoryDesk) -> None:
    await desk.create(definition(max_retries=1))
    await desk.execute("one")
    await desk.end(ONE, Code.MODEL_ERROR)
    await desk.put(StartNextAttempt(execution_id=ONE))
    await desk.end(ONE, Code.MODEL_ERROR, attempt=2)
    assert (await desk.status(ONE), (await desk.task()).active) == ("failed", [])


@pytest.mark.parametrize("end", [EndAttempt.example(), TimeOutExecution.example()])
async def test_a_failure_pauses_a_task_that_says_so(desk: MemoryDesk, end: Command[None]) -> None:
    await desk.create(hourly(pause_on_failure=True))
    await desk.execute("one")
    failed = {"execution_id": ONE, "error_code": Code.BUDGET_EXCEEDED}
    await desk.put(end.model_copy(update={name: failed[name] for name in failed if name in type(end).model_fields}))
    task = await desk.task()
    assert (task.paused, task.next_tick) == ("failure", None)


async def test_a_success_does_not_pause_a_task(desk: MemoryDesk) -> None:
    await desk.create(hourly(pause_on_failure=True))
    await desk.execute("one")
    await desk.end(ONE)
    assert not (await desk.task()).paused


async def test_a_timeout_starts_the_next_execution(desk: MemoryDesk) -> None:
    await desk.create(definition(overlap_policy="queue_one"))
    ids = [await desk.execute(name) for name in ("one", "two")]
    await desk.put(TimeOutExecution(execution_id=ids[0]))
    assert [await desk.status(id) for id in ids] == ["timed_out", "running"]


async def test_a_waiting_execution_expires_and_does_not_start(desk: MemoryDesk) -> None:
    await desk.create(definition(overlap_policy="queue_all"))
    ids = [await desk.execute(name) for name in ("one", "two", "three")]
    await desk.put(ExpireExecution(execution_id=ids[1]))
    await desk.end(ids[0])
    assert [await desk.status(id) for id in ids] == ["completed", "missed", "running"]


async def test_an_execution_that_has_started_does_not_expire(desk: MemoryDesk) -> None:
    await desk.create(definition())
    await desk.execute("one")
    await desk.put(ExpireExecution(execution_id=ONE))
    assert await desk.status(ONE) == "running"


@pytest.mark.parametrize(
    "command",
    [
        EndAttempt(execution_id=ONE, attempt=1),
        RecordSubmission(execution_id=ONE, attempt=1, prompt="?"),
        StartNextAttempt(execution_id=ONE),
        TimeOutExecution(execution_id=ONE),
        ExpireExecution(execution_id=ONE),
        CheckExecution(execution_id=ONE),
    ],
)
async def test_another_users_execution_is_not_found(desk: MemoryDesk, command: Command[Any]) -> None:
    await desk.create(definition())
    await desk.execute("one")
    before = await desk.events()
    with pytest.raises(Refusal, match=Code.EXECUTION_NOT_FOUND):
        await desk.put(command, STRANGER)
    assert await desk.events() == before


async def test_a_submission_is_recorded_once(desk: MemoryDesk) -> None:
    await desk.create(definition())
    await desk.execute("one")
    for _ in range(2):
        await desk.put(RecordSubmission(execution_id=ONE, attempt=1, prompt="Do it."))
    assert (await desk.events()).count("execution_submitted") == 1


async def test_a_submission_of_an_execution_that_is_over_is_refused(desk: MemoryDesk) -> None:
    await desk.create(definition())
    await desk.execute("one")
    await desk.put(cancel(ONE))
    with pytest.raises(Refusal, match=Code.EXECUTION_OVER):
        await desk.put(RecordSubmission(execution_id=ONE, attempt=1, prompt="Do it."))


async def test_checks_of_a_run_become_rarer(desk: MemoryDesk) -> None:
    await desk.create(definition())
    await desk.execute("one")
    await desk.put(RecordSubmission(execution_id=ONE, attempt=1, prompt="Do it."))
    minutes: list[float] = []
    for _ in range(5):
        await desk.put(CheckExecution(execution_id=ONE))
        checked = await desk.last()
        assert isinstance(checked, ExecutionCheckRequested)
        minutes.append((checked.next_check_at - desk.now).total_seconds() / 60)
    assert minutes == [10, 20, 40, 60, 60]


async def test_a_backfill_continues_when_an_execution_ends_and_takes_no_slot(desk: MemoryDesk) -> None:
    await desk.create(hourly())
    await desk.execute("one")
    ticks = [NOON - timedelta(hours=hours) for hours in (3, 2)]
    await start_backfill(desk, ticks)
    await desk.end(ONE)
    assert await desk.statuses() == ["completed", "running"]
    await desk.end((await desk.executions())[1].id, Code.BUDGET_EXCEEDED)
    assert await desk.statuses() == ["completed", "failed", "running"]
    await desk.end((await desk.executions())[2].id)
    task = await desk.task()
    assert (await desk.events()).count("backfill_ended") == 1
    assert (task.backfill, task.active) == (None, [])


async def test_deleting_a_task_cancels_its_backfill(desk: MemoryDesk) -> None:
    await desk.create(hourly())
    await start_backfill(desk, [NOON - timedelta(hours=1)])
    await desk.put(DeleteTask(task_id=TASK_ID))
    assert await desk.statuses() == ["cancelled"]
