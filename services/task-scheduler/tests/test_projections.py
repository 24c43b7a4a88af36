"""The read models of tasks and executions, and the due times that events set and cancel."""

from datetime import timedelta
from typing import Any

import pytest
from contracts.refusals import Code, Refusal
from contracts.task_scheduler.attempt import StartNextAttempt
from contracts.task_scheduler.execution import (
    CancelExecution,
    CheckExecution,
    ExpireExecution,
    ListExecutions,
    TimeOutExecution,
)
from contracts.task_scheduler.task import AdvanceSchedule, ChangeTask, DeleteTask, GetTask, PauseTask, ResumeTask
from contracts.task_scheduler.values import TaskChanges
from task_scheduler.aggregate.execution import MIN_CHECK_INTERVAL
from task_scheduler.executions import VARIABLES

from .desk import NOON, OWNER, Desk

HOURLY: dict[str, Any] = {"is_scheduled": True, "schedule_cron": "@hourly"}
ONE = NOON + timedelta(hours=1)


async def test_creating_a_task_returns_its_view(desk: Desk) -> None:
    task = await desk.create(name="Nightly", on=["session.run_failed"], sdk_options={"max_turns": 3})
    assert (task.name, task.user_id, task.is_active) == ("Nightly", OWNER.user_id, True)
    assert (task.on, task.sdk_options.max_turns) == (["session.run_failed"], 3)
    assert (task.next_run_at, task.last_status) == (None, None)


async def test_changing_a_task_replaces_its_definition(desk: Desk) -> None:
    task = await desk.create(description="old", timeout_seconds=60)
    changes = TaskChanges(name="two", timeout_seconds=None, overlap_policy="allow")
    changed = await desk.send(ChangeTask(task_id=task.id, changes=changes))
    assert (changed.name, changed.description, changed.timeout_seconds) == ("two", "old", None)
    assert changed.overlap_policy == "allow"


async def test_values_of_environment_variables_are_stored_apart_from_the_view(desk: Desk) -> None:
    task = await desk.create(sdk_options={"env": {"TOKEN": "plantedsecret"}})
    assert task.sdk_options.env == {"TOKEN": "***"}
    assert await VARIABLES.get(task.id, desk.database) == {"TOKEN": "plantedsecret"}


async def test_a_scheduled_task_has_a_next_run_and_a_due_time(desk: Desk) -> None:
    task = await desk.create(**HOURLY)
    assert task.next_run_at == ONE
    assert await desk.due() == {"tick": ONE}


async def test_the_due_time_of_a_tick_includes_its_jitter(desk: Desk) -> None:
    task = await desk.create(**HOURLY, jitter_seconds=3600)
    assert task.next_run_at == ONE
    assert ONE < (await desk.due())["tick"] < ONE + timedelta(hours=1)


async def test_processing_a_tick_moves_the_next_run_and_its_due_time(desk: Desk) -> None:
    task = await desk.create(**HOURLY)
    desk.at(ONE)
    await desk.send(AdvanceSchedule(task_id=task.id))
    assert (await desk.ask(GetTask(task_id=task.id))).next_run_at == ONE + timedelta(hours=1)
    assert (await desk.due())["tick"] == ONE + timedelta(hours=1)


async def test_a_changed_schedule_moves_the_next_run_and_its_due_time(desk: Desk) -> None:
    task = await desk.create(**HOURLY)
    changed = await desk.send(ChangeTask(task_id=task.id, changes=TaskChanges(schedule_cron="30 * * * *")))
    assert changed.next_run_at == NOON + timedelta(minutes=30)
    assert await desk.due() == {"tick": changed.next_run_at}


async def test_a_task_that_is_not_scheduled_any_more_has_no_due_time(desk: Desk) -> None:
    task = await desk.create(**HOURLY)
    changed = await desk.send(ChangeTask(task_id=task.id, changes=TaskChanges(is_scheduled=False)))
    assert (changed.next_run_at, await desk.due()) == (None, {})


async def test_a_paused_task_has_no_next_run_and_no_due_time(desk: Desk) -> None:
    task = await desk.create(**HOURLY)
    paused = await desk.send(PauseTask(task_id=task.id))
    assert (paused.is_active, paused.pause_reason, paused.next_run_at) == (False, "requested", None)
    assert await desk.due() == {}


async def test_a_resumed_task_continues_with_its_next_tick(desk: Desk) -> None:
    task = await desk.create(**HOURLY)
    await desk.send(PauseTask(task_id=task.id))
    desk.at(NOON + timedelta(hours=5, minutes=1))
    resumed = await desk.send(ResumeTask(task_id=task.id))
    assert (resumed.is_active, resumed.pause_reason) == (True, None)
    assert resumed.next_run_at == (await desk.due())["tick"] == NOON + timedelta(hours=6)


async def test_a_deleted_task_leaves_no_row_no_secret_and_no_due_time(desk: Desk) -> None:
    task = await desk.create(**HOURLY, sdk_options={"env": {"TOKEN": "plantedsecret"}}, timeout_seconds=60)
    await desk.execute(task.id)
    await desk.send(DeleteTask(task_id=task.id))
    rows = "SELECT (SELECT count(*) FROM tasks) + (SELECT count(*) FROM task_environments) + (SELECT count(*) FROM due)"
    assert await desk.database.fetchval(rows) == 0
    with pytest.raises(Refusal, match=Code.TASK_NOT_FOUND):
        await desk.ask(GetTask(task_id=task.id))


async def test_a_task_shows_its_newest_execution(desk: Desk) -> None:
    task = await desk.create(overlap_policy="allow")
    await desk.execute(task.id)
    desk.at(ONE)
    failed = await desk.end(await desk.execute(task.id), Code.AGENT_FAILED)
    task = await desk.ask(GetTask(task_id=task.id))
    assert (task.last_execution_id, task.last_status, task.last_error_code) == (failed.id, "failed", "AGENT_FAILED")
    assert task.last_run_at == ONE


async def test_a_started_execution_shows_its_attempt_session_and_run(desk: Desk) -> None:
    execution = await desk.execute((await desk.create(variables={"a": 1})).id, b=[2])
    assert (execution.status, execution.trigger, execution.attempt) == ("running", "manual", 1)
    assert (execution.variables, execution.prompt) == ({"a": 1, "b": [2]}, None)
    assert execution.session_id
    assert execution.run_id
    assert execution.started_at == NOON


async def test_the_execution_of_a_tick_shows_the_tick(desk: Desk) -> None:
    task = await desk.create(**HOURLY)
    desk.at(ONE + timedelta(seconds=2))
    await desk.send(AdvanceSchedule(task_id=task.id))
    [execution] = (await desk.ask(ListExecutions(task_id=task.id))).items
    assert (execution.trigger, execution.scheduled_for) == ("scheduled", ONE)


async def test_a_submitted_execution_shows_its_prompt_and_is_checked_later(desk: Desk) -> None:
    execution = await desk.execute((await desk.create()).id)
    assert await desk.unsubmitted() == [execution.run_id]
    await desk.submit(execution)
    assert (await desk.latest(execution)).prompt == "Hello"
    assert await desk.unsubmitted() == []
    assert await desk.due() == {"execution_check": NOON + MIN_CHECK_INTERVAL}


async def test_a_requested_check_moves_the_next_one(desk: Desk) -> None:
    execution = await desk.execute((await desk.create()).id)
    await desk.submit(execution)
    desk.at(NOON + MIN_CHECK_INTERVAL)
    await desk.send(CheckExecution(execution_id=execution.id))
    assert await desk.due() == {"execution_check": NOON + 3 * MIN_CHECK_INTERVAL}


async def test_a_completed_execution_shows_its_usage_and_is_not_checked(desk: Desk) -> None:
    execution = await desk.execute((await desk.create(timeout_seconds=60)).id)
    await desk.submit(execution)
    desk.at(NOON + timedelta(seconds=5))
    ended = await desk.end(execution, duration_ms=4000, input_tokens=150, output_tokens=420, cost_usd="0.0012")
    assert (ended.status, ended.error_code, ended.completed_at) == ("completed", None, desk.now)
    assert ended.usage.model_dump(mode="json") == {
        "duration_ms": 4000,
        "input_tokens": 150,
        "output_tokens": 420,
        "cost_usd": "0.0012",
    }
    assert await desk.due() == {}


async def test_a_failed_execution_shows_the_error(desk: Desk) -> None:
    ended = await desk.end(await desk.execute((await desk.create()).id), Code.MODEL_ERROR)
    assert (ended.status, ended.error_code, ended.error_detail) == ("failed", "MODEL_ERROR", "529")


async def test_an_execution_that_is_retried_waits_for_its_next_attempt(desk: Desk) -> None:
    execution = await desk.execute((await desk.create(max_retries=1)).id)
    await desk.submit(execution)
    waiting = await desk.end(execution, Code.MODEL_ERROR, input_tokens=1)
    assert (waiting.status, waiting.error_code, waiting.completed_at) == ("pending", "MODEL_ERROR", None)
    assert waiting.next_attempt_at
    assert await desk.due() == {"execution_retry": waiting.next_attempt_at}


async def test_a_second_attempt_has_a_new_run_and_the_usage_is_added(desk: Desk) -> None:
    execution = await desk.execute((await desk.create(max_retries=1)).id)
    await desk.submit(execution)
    await desk.end(execution, Code.MODEL_ERROR, input_tokens=1)
    desk.at(ONE)
    await desk.send(StartNextAttempt(execution_id=execution.id))
    second = await desk.latest(execution)
    assert (second.status, second.attempt, second.error_code, second.prompt) == ("running", 2, None, None)
    assert second.run_id != execution.run_id
    assert (second.started_at, second.next_attempt_at, await desk.due()) == (NOON, None, {})
    assert await desk.unsubmitted() == [second.run_id]
    assert (await desk.end(second, input_tokens=2)).usage.input_tokens == 3


async def test_a_cancelled_execution_shows_why(desk: Desk) -> None:
    execution = await desk.execute((await desk.create(timeout_seconds=60)).id)
    cancelled = await desk.send(CancelExecution(task_id=execution.task_id, execution_id=execution.id))
    assert (cancelled.status, cancelled.error_code) == ("cancelled", "RUN_CANCELLED")
    assert cancelled.error_detail == "The execution was cancelled."
    assert await desk.due() == {}


async def test_an_execution_at_its_timeout_is_shown_as_timed_out(desk: Desk) -> None:
    execution = await desk.execute((await desk.create(timeout_seconds=60)).id)
    assert await desk.due() == {"execution_timeout": NOON + timedelta(seconds=60)}
    await desk.send(TimeOutExecution(execution_id=execution.id))
    ended = await desk.latest(execution)
    assert (ended.status, ended.error_code, await desk.due()) == ("timed_out", "RUN_TIMEOUT", {})


async def test_an_execution_that_waits_has_a_start_deadline(desk: Desk) -> None:
    task = await desk.create(overlap_policy="queue_one", start_deadline_seconds=30)
    active, waiting = await desk.execute(task.id), await desk.execute(task.id)
    assert (active.status, waiting.status) == ("running", "pending")
    assert await desk.due() == {"start_deadline": NOON + timedelta(seconds=30)}
    await desk.send(ExpireExecution(execution_id=waiting.id))
    ended = await desk.latest(waiting)
    assert (ended.status, ended.error_code) == ("missed", "START_DEADLINE_EXCEEDED")
    await desk.end(active)
    assert await desk.due() == {}


async def test_a_start_deadline_changes_nothing_after_the_start(desk: Desk) -> None:
    task = await desk.create(overlap_policy="queue_one", start_deadline_seconds=30)
    active, waiting = await desk.execute(task.id), await desk.execute(task.id)
    await desk.end(active)
    await desk.send(ExpireExecution(execution_id=waiting.id))
    assert (await desk.latest(waiting)).status == "running"


async def test_a_skipped_tick_is_shown_with_its_reason(desk: Desk) -> None:
    task = await desk.create(**HOURLY)
    await desk.execute(task.id)
    desk.at(ONE)
    await desk.send(AdvanceSchedule(task_id=task.id))
    task = await desk.ask(GetTask(task_id=task.id))
    assert (task.last_status, task.last_error_code) == ("skipped", "TASK_BUSY")
    assert await desk.executions(task.id) == [("skipped", "scheduled"), ("running", "manual")]
