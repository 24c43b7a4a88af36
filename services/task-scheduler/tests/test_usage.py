"""The usage of an execution's runs is added to it once, in whatever order it becomes known."""

from typing import Any

import pytest
from contracts.messages import Event
from contracts.refusals import Code
from contracts.session.run import GetRunSummary, RunCancelled, RunCompleted, RunFailed, UsageRecorded
from contracts.session.values import Usage
from contracts.task_scheduler.attempt import ExecutionCheckRequested, StartNextAttempt
from contracts.task_scheduler.execution import CancelExecution, CheckExecution, TimeOutExecution
from contracts.task_scheduler.execution_view import ExecutionView
from contracts.task_scheduler.task import DeleteTask
from runtime.clock import new_id

from .desk import Desk
from .outside import Reacting
from .test_run_reactions import summary

USAGE = {"input_tokens": 7, "cost_usd": "0.5", "duration_ms": 90}


@pytest.fixture
async def execution(desk: Desk) -> ExecutionView:
    """An execution whose run is active, and which may have another attempt."""
    execution = await desk.execute((await desk.create(max_retries=1)).id)
    await desk.submit(execution)
    return execution


def reported(execution: ExecutionView, kind: type[Event] = UsageRecorded, **fields: Any) -> Event:
    """Return an event that reports the usage of the run of an execution."""
    return kind.model_validate({"run_id": execution.run_id, "usage": USAGE, **fields})


async def interrupt(reacting: Reacting, execution: ExecutionView) -> None:
    """End the run of an execution before its agent has reported its usage, so that another attempt may follow."""
    failed = RunFailed(
        run_id=execution.run_id or new_id(), error_code=Code.AGENT_FAILED, error_detail="", usage=Usage()
    )
    await reacting.see(failed, execution.session_id)


async def used(desk: Desk, execution: ExecutionView) -> Usage:
    """Return the usage of an execution."""
    return (await desk.latest(execution)).usage


async def test_the_usage_of_a_cancelled_execution_is_added(
    desk: Desk, reacting: Reacting, execution: ExecutionView
) -> None:
    await desk.send(CancelExecution(task_id=execution.task_id, execution_id=execution.id))
    await reacting.see(reported(execution), execution.session_id)
    assert await used(desk, execution) == Usage.model_validate(USAGE)


async def test_the_usage_of_a_timed_out_execution_is_added(
    desk: Desk, reacting: Reacting, execution: ExecutionView
) -> None:
    await desk.send(TimeOutExecution(execution_id=execution.id))
    await reacting.see(reported(execution), execution.session_id)
    assert await used(desk, execution) == Usage.model_validate(USAGE)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (RunCompleted, {}),
        (RunFailed, {"error_code": "MODEL_ERROR", "error_detail": ""}),
        (RunCancelled, {"reason": "requested"}),
    ],
)
async def test_the_usage_of_a_run_that_ended_after_its_execution_is_added(
    desk: Desk, reacting: Reacting, execution: ExecutionView, kind: type[Event], fields: dict[str, Any]
) -> None:
    await desk.send(CancelExecution(task_id=execution.task_id, execution_id=execution.id))
    await reacting.see(reported(execution, kind, **fields), execution.session_id)
    latest = await desk.latest(execution)
    assert (latest.status, latest.usage) == ("cancelled", Usage.model_validate(USAGE))


async def test_usage_is_added_if_the_run_ends_while_the_execution_is_cancelled(
    desk: Desk, execution: ExecutionView
) -> None:
    await desk.send(CancelExecution(task_id=execution.task_id, execution_id=execution.id))
    await desk.end(execution, input_tokens=7, cost_usd="0.5", duration_ms=90)
    assert await used(desk, execution) == Usage.model_validate(USAGE)


async def test_the_usage_of_an_interrupted_attempt_is_added_during_the_next_one(
    desk: Desk, reacting: Reacting, execution: ExecutionView
) -> None:
    await interrupt(reacting, execution)
    await desk.send(StartNextAttempt(execution_id=execution.id))
    await reacting.see(reported(execution), execution.session_id)
    await desk.end(await desk.latest(execution), input_tokens=1)
    assert (await used(desk, execution)).input_tokens == 8


async def test_usage_that_is_reported_before_the_end_is_added_once(
    desk: Desk, reacting: Reacting, execution: ExecutionView
) -> None:
    await reacting.see(reported(execution), execution.session_id)
    await reacting.see(reported(execution, RunCompleted), execution.session_id)
    assert await used(desk, execution) == Usage.model_validate(USAGE)


async def test_usage_that_is_redelivered_is_added_once(
    desk: Desk, reacting: Reacting, execution: ExecutionView
) -> None:
    await interrupt(reacting, execution)
    for _ in range(2):
        await reacting.see(reported(execution), execution.session_id)
    assert await used(desk, execution) == Usage.model_validate(USAGE)


async def test_the_usage_of_other_runs_in_the_session_is_not_added(
    desk: Desk, reacting: Reacting, execution: ExecutionView
) -> None:
    await reacting.see(UsageRecorded(run_id=new_id(), usage=Usage(input_tokens=7)), execution.session_id)
    assert await used(desk, execution) == Usage()


async def test_a_check_adds_the_usage_of_a_cancelled_run(
    desk: Desk, reacting: Reacting, execution: ExecutionView
) -> None:
    await desk.send(CheckExecution(execution_id=execution.id))
    reacting.others.replies[GetRunSummary] = summary(execution, "cancelled")
    await reacting.see_latest(ExecutionCheckRequested, execution.id)
    assert (await used(desk, execution)).input_tokens == 7


async def test_the_usage_of_a_deleted_task_is_not_an_error(
    desk: Desk, reacting: Reacting, execution: ExecutionView
) -> None:
    await desk.send(DeleteTask(task_id=execution.task_id))
    await reacting.see(reported(execution), execution.session_id)
    assert await desk.database.fetchval("SELECT cost_usd FROM executions WHERE id = $1", execution.id)
