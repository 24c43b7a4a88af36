"""The queries of tasks and executions: who sees what, filters, pages and totals."""

from datetime import timedelta
from typing import Any

import pytest
from contracts.messages import Query
from contracts.refusals import Code, Refusal
from contracts.task_scheduler.execution import CancelExecution, GetExecution, ListExecutions, TimeOutExecution
from contracts.task_scheduler.task import (
    AdvanceSchedule,
    DeleteTask,
    FindTasks,
    GetTask,
    ListNextRuns,
    ListTasks,
    PauseTask,
    RenderPrompt,
)
from contracts.task_scheduler.values import execution_report_id
from onebox.testing.cases import every_case
from runtime.clock import new_id

from .desk import ADMIN, NOON, STRANGER, Desk

DAILY: dict[str, Any] = {"is_scheduled": True, "schedule_cron": "0 9 * * *", "schedule_timezone": "Europe/Berlin"}


async def test_a_task_that_was_stored_without_a_newer_field_has_its_default(desk: Desk) -> None:
    task = await desk.create(jitter_seconds=5)
    await desk.database.execute("UPDATE tasks SET definition = (definition::jsonb - 'jitter_seconds')::json")
    assert (await desk.ask(GetTask(task_id=task.id))).jitter_seconds == 0


@every_case("kind", [GetTask, ListNextRuns, RenderPrompt, ListExecutions, GetExecution])
async def test_another_users_task_is_not_found(desk: Desk, kind: type[Query[Any]]) -> None:
    execution = await desk.execute((await desk.create()).id)
    ids = {"task_id": execution.task_id, "execution_id": execution.id}
    query = kind.model_validate({name: id for name, id in ids.items() if name in kind.model_fields})
    await desk.ask(query, ADMIN)
    with pytest.raises(Refusal, match=Code.TASK_NOT_FOUND):
        await desk.ask(query, STRANGER)


async def test_only_existing_tasks_of_the_actor_are_found(desk: Desk) -> None:
    own, deleted, theirs = await desk.create(), await desk.create(), await desk.create(STRANGER)
    await desk.send(DeleteTask(task_id=deleted.id))
    assert await desk.ask(FindTasks(task_ids=[own.id, deleted.id, theirs.id])) == [own.id]


async def test_tasks_are_listed_newest_first_and_only_to_their_owner(desk: Desk) -> None:
    for name in "abc":
        await desk.create(name=name)
    await desk.create(STRANGER, name="theirs")
    assert await desk.names(ListTasks()) == ["c", "b", "a"]
    assert await desk.names(ListTasks(), ADMIN) == ["theirs", "c", "b", "a"]


async def test_tasks_are_listed_by_state_schedule_and_name(desk: Desk) -> None:
    await desk.create(name="Report by hand")
    await desk.create(name="Daily report", **DAILY)
    await desk.send(PauseTask(task_id=(await desk.create(name="Paused", **DAILY)).id))
    assert await desk.names(ListTasks(is_scheduled=True)) == ["Paused", "Daily report"]
    assert await desk.names(ListTasks(is_active=True, is_scheduled=True)) == ["Daily report"]
    assert await desk.names(ListTasks(q="REPORT")) == ["Daily report", "Report by hand"]


@pytest.mark.parametrize(
    ("query", "total"),
    [
        (ListTasks(limit=1), 3),
        (ListTasks(limit=1, is_active=False), 1),
        (ListTasks(limit=1, is_scheduled=True, is_active=True), 1),
        (ListTasks(limit=1, q="o"), 2),
    ],
)
async def test_a_list_of_tasks_has_the_total_of_its_filters(desk: Desk, query: ListTasks, total: int) -> None:
    await desk.create(name="one")
    await desk.create(name="two", **DAILY)
    await desk.send(PauseTask(task_id=(await desk.create(name="three", **DAILY)).id))
    await desk.send(DeleteTask(task_id=(await desk.create(name="gone")).id))
    await desk.create(STRANGER, name="other")
    assert (await desk.ask(query)).total == total


async def test_a_list_of_tasks_continues_after_a_cursor(desk: Desk) -> None:
    tasks = [await desk.create(name=name) for name in "abcd"]
    first = await desk.ask(ListTasks(limit=2))
    assert ([task.name for task in first.items], first.more) == (["d", "c"], True)
    assert await desk.names(ListTasks(limit=2, after=first.items[-1].id)) == ["b", "a"]
    assert await desk.names(ListTasks(limit=2, before=tasks[0].id)) == ["c", "b"]


async def test_an_unknown_cursor_of_tasks_is_not_found(desk: Desk) -> None:
    with pytest.raises(Refusal, match=Code.TASK_NOT_FOUND):
        await desk.ask(ListTasks(after=new_id()))


async def test_the_next_runs_are_ticks_in_the_time_zone_of_the_schedule(desk: Desk) -> None:
    runs = await desk.ask(ListNextRuns(task_id=(await desk.create(**DAILY)).id, count=2))
    assert (runs.schedule_cron, runs.schedule_timezone) == ("0 9 * * *", "Europe/Berlin")
    first = NOON + timedelta(hours=20)
    assert runs.items == [first, first + timedelta(days=1)]


async def test_a_paused_task_has_no_next_runs(desk: Desk) -> None:
    task = await desk.create(**DAILY)
    await desk.send(PauseTask(task_id=task.id))
    assert (await desk.ask(ListNextRuns(task_id=task.id))).items == []


async def test_a_task_that_is_not_scheduled_has_no_next_runs(desk: Desk) -> None:
    task = await desk.create(schedule_cron="@daily")
    assert (await desk.ask(ListNextRuns(task_id=task.id))).items == []


async def test_a_prompt_is_rendered_as_for_a_tick_at_this_moment(desk: Desk) -> None:
    text = "{{date}} {{time}} {{scheduled_for}} {{task_name}} {{a}} {{b}}"
    variables: dict[str, Any] = {"a": "task", "b": "task"}
    task = await desk.create(prompt_template=text, variables=variables, schedule_timezone="Asia/Kolkata")
    rendered = await desk.ask(RenderPrompt(task_id=task.id, variables={"b": "request", "time": "noon"}))
    assert rendered.prompt == "2026-11-26 noon 2026-11-26T12:00:00Z one task request"
    assert rendered.variables["time"] == "noon"
    assert rendered.variables["b"] == "request"


async def test_a_prompt_without_a_needed_variable_is_refused(desk: Desk) -> None:
    task = await desk.create(prompt_template="{{name}}")
    with pytest.raises(Refusal, match=Code.VARIABLES_MISSING):
        await desk.ask(RenderPrompt(task_id=task.id))


async def test_rendering_a_prompt_executes_nothing(desk: Desk) -> None:
    task = await desk.create()
    await desk.ask(RenderPrompt(task_id=task.id))
    assert await desk.executions(task.id) == []


async def test_an_execution_of_another_task_is_not_found(desk: Desk) -> None:
    execution = await desk.execute((await desk.create()).id)
    with pytest.raises(Refusal, match=Code.EXECUTION_NOT_FOUND):
        await desk.ask(GetExecution(task_id=(await desk.create()).id, execution_id=execution.id))


async def history(desk: Desk) -> Any:
    """Create a task with a completed, a skipped, a cancelled and a running execution; return its id."""
    task = await desk.create(is_scheduled=True, schedule_cron="@hourly")
    first = await desk.execute(task.id)
    desk.at(NOON + timedelta(hours=1))
    await desk.send(AdvanceSchedule(task_id=task.id))
    await desk.end(first)
    second = await desk.execute(task.id)
    await desk.send(CancelExecution(task_id=task.id, execution_id=second.id))
    desk.at(NOON + timedelta(hours=2))
    await desk.send(AdvanceSchedule(task_id=task.id))
    return task.id


async def test_executions_are_listed_in_the_order_of_their_creation(desk: Desk) -> None:
    task_id = await history(desk)
    assert await desk.executions(task_id) == [
        ("running", "scheduled"),
        ("cancelled", "manual"),
        ("skipped", "scheduled"),
        ("completed", "manual"),
    ]


@pytest.mark.parametrize(
    ("filters", "statuses"),
    [
        ({"status": "skipped"}, ["skipped"]),
        ({"trigger": "manual"}, ["cancelled", "completed"]),
        ({"trigger": "scheduled", "status": "running"}, ["running"]),
        ({"backfill_id": new_id()}, []),
    ],
)
async def test_executions_are_listed_and_counted_by_filters(
    desk: Desk, filters: dict[str, Any], statuses: list[str]
) -> None:
    task_id = await history(desk)
    page = await desk.ask(ListExecutions.model_validate({"task_id": task_id, **filters}))
    assert ([execution.status for execution in page.items], page.total) == (statuses, len(statuses))


async def test_a_list_of_executions_continues_after_a_cursor(desk: Desk) -> None:
    task_id = await history(desk)
    first = await desk.ask(ListExecutions(task_id=task_id, limit=3))
    rest = await desk.ask(ListExecutions(task_id=task_id, limit=3, after=first.items[-1].id))
    assert (first.more, first.total, rest.more) == (True, 4, False)
    assert [execution.status for execution in rest.items] == ["completed"]


async def test_a_cursor_of_another_task_is_not_found(desk: Desk) -> None:
    execution = await desk.execute((await desk.create()).id)
    with pytest.raises(Refusal, match=Code.EXECUTION_NOT_FOUND):
        await desk.ask(ListExecutions(task_id=await history(desk), after=execution.id))


@pytest.mark.parametrize(("end", "has_report"), [(TimeOutExecution, True), (CancelExecution, False)])
async def test_an_execution_names_its_report_when_it_has_ended(desk: Desk, end: Any, has_report: bool) -> None:
    execution = await desk.execute((await desk.create(generate_report=True, report_format="html")).id)
    await desk.submit(execution)
    assert (await desk.latest(execution)).report_id is None
    ids = {"execution_id": execution.id, "task_id": execution.task_id}
    await desk.send(end.model_validate({name: ids[name] for name in end.model_fields if name in ids}))
    assert (await desk.latest(execution)).report_id == (execution_report_id(execution.id) if has_report else None)
