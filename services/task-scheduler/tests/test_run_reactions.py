"""The ends of runs end attempts, the ends of executions cancel runs, and deleted tasks leave no executions."""

from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Event
from contracts.refusals import Code, Refusal
from contracts.session.run import CancelRun, GetRunSummary, RunCancelled, RunCompleted, RunFailed
from contracts.session.run_view import RunSummary
from contracts.session.session import SessionDeleted
from contracts.session.values import Usage
from contracts.task_scheduler.attempt import ExecutionCheckRequested
from contracts.task_scheduler.execution import (
    CancelExecution,
    CheckExecution,
    ExecutionCancelled,
    ExecutionTimedOut,
    TimeOutExecution,
)
from contracts.task_scheduler.execution_view import ExecutionView
from contracts.task_scheduler.task import DeleteTask, TaskDeleted
from runtime.clock import new_id
from task_scheduler.executions import BY_RUN

from .desk import ADMIN, OWNER, Desk
from .outside import Reacting


@pytest.fixture
async def execution(desk: Desk) -> ExecutionView:
    """An execution whose run is active."""
    execution = await desk.execute((await desk.create()).id)
    await desk.submit(execution)
    return execution


def ended(execution: ExecutionView, kind: type[Event], **fields: Any) -> Event:
    """Return an event that ends the run of an execution."""
    return kind.model_validate({"run_id": execution.run_id, "usage": {"input_tokens": 7}, **fields})


async def test_an_execution_is_completed_with_its_run(desk: Desk, reacting: Reacting, execution: ExecutionView) -> None:
    await reacting.see(ended(execution, RunCompleted))
    latest = await desk.latest(execution)
    assert (latest.status, latest.usage.input_tokens) == ("completed", 7)


async def test_an_execution_fails_with_its_run(desk: Desk, reacting: Reacting, execution: ExecutionView) -> None:
    await reacting.see(ended(execution, RunFailed, error_code="BUDGET_EXCEEDED", error_detail="spent"))
    latest = await desk.latest(execution)
    assert (latest.status, latest.error_code, latest.error_detail) == ("failed", "BUDGET_EXCEEDED", "spent")
    assert latest.usage.input_tokens == 7


async def test_an_execution_is_cancelled_with_its_run(desk: Desk, reacting: Reacting, execution: ExecutionView) -> None:
    await reacting.see(ended(execution, RunCancelled, reason="requested"))
    assert (await desk.latest(execution)).status == "cancelled"


async def test_an_execution_is_cancelled_with_its_session(
    desk: Desk, reacting: Reacting, execution: ExecutionView
) -> None:
    await reacting.see(SessionDeleted(user_id=OWNER.user_id), execution.session_id)
    assert (await desk.latest(execution)).status == "cancelled"


async def test_an_execution_ends_once_although_events_are_redelivered(
    desk: Desk, reacting: Reacting, execution: ExecutionView
) -> None:
    for kind in (RunCompleted, RunCompleted, RunCancelled):
        await reacting.see(ended(execution, kind, **{"reason": "requested"} if kind is RunCancelled else {}))
    latest = await desk.latest(execution)
    assert (latest.status, latest.usage.input_tokens) == ("completed", 7)


async def test_a_command_that_arrives_after_the_end_is_not_an_error(
    desk: Desk, reacting: Reacting, execution: ExecutionView, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = await desk.dependencies.executions.of_run(execution.run_id or new_id())

    async def of_run(_executions: object, _run_id: UUID) -> object:
        return attempt

    await desk.end(execution)
    monkeypatch.setattr("task_scheduler.executions.Executions.of_run", of_run)
    await reacting.see(ended(execution, RunCancelled, reason="requested"))
    assert (await desk.latest(execution)).status == "completed"


async def test_the_run_of_an_earlier_attempt_does_not_end_a_later_one(
    desk: Desk, reacting: Reacting, execution: ExecutionView
) -> None:
    await reacting.see(RunCompleted(run_id=new_id(), usage=Usage()), execution.session_id)
    assert (await desk.latest(execution)).status == "running"


async def test_an_event_of_another_run_costs_one_read_of_an_index(desk: Desk) -> None:
    async with desk.database.transaction() as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan: Any = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {BY_RUN}", new_id())
    assert plan[0]["Plan"]["Node Type"] == "Index Scan"


def summary(execution: ExecutionView, status: str, **fields: Any) -> RunSummary:
    """Return the run of an execution."""
    about = {"id": execution.run_id, "session_id": execution.session_id, "message": "Hello", "attempt": 1}
    end = {"error_code": None, "error_detail": None, "usage": {"input_tokens": 7}, "created_at": 0, "ended_at": 1}
    return RunSummary.model_validate({**about, **end, "status": status, **fields})


@pytest.mark.parametrize(
    ("run_status", "status"), [("running", "running"), ("completed", "completed"), ("cancelled", "cancelled")]
)
async def test_a_check_ends_an_execution_like_its_run(
    desk: Desk, reacting: Reacting, execution: ExecutionView, run_status: str, status: str
) -> None:
    await desk.send(CheckExecution(execution_id=execution.id))
    reacting.others.replies[GetRunSummary] = summary(execution, run_status)
    await reacting.see_latest(ExecutionCheckRequested, execution.id)
    assert (await desk.latest(execution)).status == status


async def test_a_check_fails_an_execution_whose_run_failed(
    desk: Desk, reacting: Reacting, execution: ExecutionView
) -> None:
    await desk.send(CheckExecution(execution_id=execution.id))
    failed = summary(execution, "failed", error_code="MODEL_ERROR", error_detail="529")
    reacting.others.replies[GetRunSummary] = failed
    await reacting.see_latest(ExecutionCheckRequested, execution.id)
    latest = await desk.latest(execution)
    assert (latest.status, latest.error_code, latest.usage.input_tokens) == ("failed", "MODEL_ERROR", 7)


@pytest.mark.parametrize("code", [Code.SESSION_NOT_FOUND, Code.RUN_NOT_FOUND])
async def test_a_check_fails_an_execution_whose_run_does_not_exist(
    desk: Desk, reacting: Reacting, execution: ExecutionView, code: Code
) -> None:
    await desk.send(CheckExecution(execution_id=execution.id))
    reacting.others.refuse(GetRunSummary, code)
    await reacting.see_latest(ExecutionCheckRequested, execution.id)
    assert (await desk.latest(execution)).error_code == Code.RUN_NOT_FOUND


async def test_a_check_that_is_refused_for_another_reason_is_repeated(
    desk: Desk, reacting: Reacting, execution: ExecutionView
) -> None:
    await desk.send(CheckExecution(execution_id=execution.id))
    reacting.others.refuse(GetRunSummary, Code.NOT_OWNER)
    with pytest.raises(Refusal, match=Code.NOT_OWNER):
        await reacting.see_latest(ExecutionCheckRequested, execution.id)


async def test_the_run_of_a_cancelled_execution_is_cancelled_by_the_same_user(
    desk: Desk, reacting: Reacting, execution: ExecutionView
) -> None:
    await desk.send(CancelExecution(task_id=execution.task_id, execution_id=execution.id), ADMIN)
    await reacting.see_latest(ExecutionCancelled, execution.id)
    [cancelled] = reacting.others.received(CancelRun)
    assert (cancelled.session_id, cancelled.run_id) == (execution.session_id, execution.run_id)
    assert cancelled.in_advance  # a worker may have still to submit it
    assert reacting.others.envelopes(CancelRun)[0].actor == ADMIN


async def test_the_run_of_an_execution_at_its_timeout_is_cancelled(
    desk: Desk, reacting: Reacting, execution: ExecutionView
) -> None:
    await desk.send(TimeOutExecution(execution_id=execution.id))
    await reacting.see_latest(ExecutionTimedOut, execution.id)
    assert [cancelled.run_id for cancelled in reacting.others.received(CancelRun)] == [execution.run_id]


async def test_an_execution_that_waits_has_no_run_to_cancel(desk: Desk, reacting: Reacting) -> None:
    task = await desk.create(overlap_policy="queue_one")
    _active, waiting = await desk.execute(task.id), await desk.execute(task.id)
    await desk.send(CancelExecution(task_id=task.id, execution_id=waiting.id))
    await reacting.see_latest(ExecutionCancelled, waiting.id)
    assert reacting.others.sent == []


@pytest.mark.parametrize("code", [Code.RUN_OVER, Code.RUN_NOT_FOUND, Code.SESSION_NOT_FOUND])
async def test_a_run_that_is_not_active_needs_no_cancellation(
    desk: Desk, reacting: Reacting, execution: ExecutionView, code: Code
) -> None:
    await desk.send(TimeOutExecution(execution_id=execution.id))
    reacting.others.refuse(CancelRun, code)
    await reacting.see_latest(ExecutionTimedOut, execution.id)


async def test_a_cancellation_that_is_refused_for_another_reason_is_repeated(
    desk: Desk, reacting: Reacting, execution: ExecutionView
) -> None:
    await desk.send(TimeOutExecution(execution_id=execution.id))
    reacting.others.refuse(CancelRun, Code.NOT_OWNER)
    with pytest.raises(Refusal, match=Code.NOT_OWNER):
        await reacting.see_latest(ExecutionTimedOut, execution.id)


async def test_the_executions_of_a_deleted_task_are_deleted_in_batches(
    desk: Desk, reacting: Reacting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("task_scheduler.executions.BATCH_SIZE", 2)
    task, other = await desk.create(overlap_policy="allow"), await desk.create()
    for task_id in (*[task.id] * 5, other.id):
        await desk.execute(task_id)
    await desk.send(DeleteTask(task_id=task.id))
    await reacting.see_latest(TaskDeleted, task.id)
    for statement in ("SELECT task_id FROM executions", "SELECT DISTINCT task_id FROM execution_counts"):
        assert [row["task_id"] for row in await desk.database.fetch(statement)] == [other.id]
