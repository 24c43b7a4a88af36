"""The job that starts an attempt: what it sends, who for, and what becomes of it."""

from datetime import timedelta
from typing import Any

import pytest
from contracts.identity.user import GetActor
from contracts.refusals import Code
from contracts.session.run import CancelRun, SubmitQuery
from contracts.session.session import CreateSession
from contracts.task_scheduler.attempt import StartNextAttempt
from contracts.task_scheduler.execution import CancelExecution, ExecuteTask, ListExecutions
from contracts.task_scheduler.execution_view import ExecutionView
from contracts.task_scheduler.task import AdvanceSchedule, ChangeTask, DeleteTask, GetTask
from contracts.task_scheduler.values import TaskChanges
from eventing import retrying
from runtime.bus import NoResponders
from runtime.clock import new_id

from .desk import ADMIN, NOON, OWNER, Desk
from .outside import Reacting


async def started(desk: Desk, **fields: Any) -> ExecutionView:
    """Return an execution whose attempt is to be started."""
    return await desk.execute((await desk.create(**fields)).id)


async def test_an_attempt_gets_a_session_of_the_task(desk: Desk, reacting: Reacting) -> None:
    execution = await started(desk, mode="interactive", sdk_options={"max_turns": 3}, allowed_tools=["Read"])
    await reacting.start(execution)
    [session] = reacting.others.received(CreateSession)
    assert (session.session_id, session.mode, session.name) == (
        execution.session_id,
        "interactive",
        "one 2026-11-26 12:00",
    )
    assert session.sdk_options.model_dump(exclude_unset=True) == {"max_turns": 3, "allowed_tools": ["Read"]}


async def test_the_prompt_is_submitted_and_recorded(desk: Desk, reacting: Reacting) -> None:
    execution = await started(desk, prompt_template="Hello {{name}}", variables={"name": "Ada"})
    await reacting.start(execution)
    [query] = reacting.others.received(SubmitQuery)
    assert (query.session_id, query.run_id, query.message) == (execution.session_id, execution.run_id, "Hello Ada")
    assert (await desk.latest(execution)).prompt == "Hello Ada"
    assert await desk.unsubmitted() == []


async def test_an_attempt_acts_as_the_owner_even_if_an_admin_requested_it(desk: Desk, reacting: Reacting) -> None:
    task = await desk.create()
    execution = await desk.send(ExecuteTask(task_id=task.id, execution_id=new_id()), ADMIN)
    await reacting.start(execution)
    for kind in (CreateSession, SubmitQuery):
        assert [envelope.actor for envelope in reacting.others.envelopes(kind)] == [OWNER]


async def test_the_session_of_an_execution_that_an_agent_starts_has_its_depth(desk: Desk, reacting: Reacting) -> None:
    task = await desk.create()
    await reacting.start(await desk.send(ExecuteTask(task_id=task.id, execution_id=new_id(), depth=2)))
    assert [session.depth for session in reacting.others.received(CreateSession)] == [2]


async def test_environment_variables_are_sent_with_their_values(desk: Desk, reacting: Reacting) -> None:
    await reacting.start(await started(desk, sdk_options={"env": {"TOKEN": "plantedsecret"}}))
    [session] = reacting.others.received(CreateSession)
    assert session.sdk_options.env == {"TOKEN": "plantedsecret"}


async def test_the_execution_of_a_tick_has_the_free_variables(desk: Desk, reacting: Reacting) -> None:
    text = "{{date}} {{time}} {{task_name}}"
    fields: dict[str, Any] = {"is_scheduled": True, "schedule_cron": "@hourly", "schedule_timezone": "Europe/Berlin"}
    task = await desk.create(prompt_template=text, **fields)
    desk.at(NOON + timedelta(hours=1, seconds=1))
    await desk.send(AdvanceSchedule(task_id=task.id))
    [execution] = (await desk.ask(ListExecutions(task_id=task.id))).items
    await reacting.start(await desk.latest(execution))
    assert reacting.others.received(SubmitQuery)[0].message == "2026-11-26 14:00 one"
    assert reacting.others.received(CreateSession)[0].name == "one 2026-11-26 14:00"


async def test_the_name_of_a_session_is_bounded(desk: Desk, reacting: Reacting) -> None:
    await reacting.start(await started(desk, name="x" * 200))
    [session] = reacting.others.received(CreateSession)
    assert (len(session.name), session.name[-20:]) == (200, "xxx 2026-11-26 12:00")


async def test_an_attempt_that_is_started_again_sends_the_same_messages(
    desk: Desk, reacting: Reacting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "PAUSES", ())
    execution = await started(desk)
    reacting.others.replies[SubmitQuery] = NoResponders("session")
    with pytest.raises(NoResponders):
        await reacting.start(execution)
    del reacting.others.replies[SubmitQuery]
    await reacting.start(execution)
    for kind in (CreateSession, SubmitQuery):
        assert len({str(message) for message in reacting.others.received(kind)}) == 1
        assert len({envelope.message_id for envelope in reacting.others.envelopes(kind)}) == 1


async def test_an_attempt_that_was_submitted_is_not_started_again(desk: Desk, reacting: Reacting) -> None:
    execution = await started(desk)
    await desk.submit(execution)
    await reacting.start(execution)
    assert reacting.others.sent == []


@pytest.mark.parametrize("code", [Code.USER_INACTIVE, Code.USER_NOT_FOUND])
async def test_the_execution_of_a_disabled_owner_fails(desk: Desk, reacting: Reacting, code: Code) -> None:
    reacting.others.refuse(GetActor, code)
    execution = await started(desk)
    await reacting.start(execution)
    task = await desk.ask(GetTask(task_id=execution.task_id))
    assert (task.last_status, task.last_error_code) == ("failed", Code.OWNER_DISABLED)
    assert reacting.others.received(CreateSession) == []


async def test_the_execution_of_an_owner_who_may_only_read_fails(desk: Desk, reacting: Reacting) -> None:
    reacting.others.role = "viewer"
    execution = await started(desk)
    await reacting.start(execution)
    assert (await desk.latest(execution)).error_code == Code.OWNER_DISABLED
    assert reacting.others.received(CreateSession) == []


@pytest.mark.parametrize("kind", [CreateSession, SubmitQuery])
async def test_a_refusal_of_the_session_fails_the_execution(
    desk: Desk, reacting: Reacting, kind: type[CreateSession | SubmitQuery]
) -> None:
    reacting.others.refuse(kind, Code.MODEL_NOT_ALLOWED)
    execution = await started(desk, max_retries=3)
    await reacting.start(execution)
    ended = await desk.latest(execution)
    assert (ended.status, ended.error_code) == ("failed", Code.MODEL_NOT_ALLOWED)
    assert ended.error_detail == "refused: MODEL_NOT_ALLOWED"


async def test_a_tick_without_a_needed_variable_fails_without_a_session(desk: Desk, reacting: Reacting) -> None:
    task = await desk.create(prompt_template="{{name}}", is_scheduled=True, schedule_cron="@hourly")
    desk.at(NOON + timedelta(hours=1))
    await desk.send(AdvanceSchedule(task_id=task.id))
    [execution] = (await desk.ask(ListExecutions(task_id=task.id))).items
    await reacting.start(await desk.latest(execution))
    assert (await desk.latest(execution)).error_code == Code.VARIABLES_MISSING
    assert reacting.others.received(CreateSession) == []


async def test_a_temporary_refusal_of_the_session_is_retried(desk: Desk, reacting: Reacting) -> None:
    reacting.others.refuse(CreateSession, Code.STORAGE_FAILED)
    execution = await started(desk, max_retries=1)
    await reacting.start(execution)
    assert (await desk.latest(execution)).status == "pending"


async def test_an_attempt_uses_the_definition_at_its_start(desk: Desk, reacting: Reacting) -> None:
    execution = await started(desk, max_retries=1)
    await reacting.start(execution)
    await desk.end(execution, Code.MODEL_ERROR)
    changes = TaskChanges(prompt_template="Hello again")
    await desk.send(ChangeTask(task_id=execution.task_id, changes=changes))
    desk.at(NOON + timedelta(hours=1))
    await desk.send(StartNextAttempt(execution_id=execution.id))
    await reacting.start(execution)
    assert [query.message for query in reacting.others.received(SubmitQuery)] == ["Hello", "Hello again"]
    assert len({query.run_id for query in reacting.others.received(SubmitQuery)}) == 2


@pytest.mark.parametrize(("kind", "submitted"), [(CreateSession, 0), (SubmitQuery, 1)])
async def test_the_run_of_an_execution_that_is_cancelled_meanwhile_is_cancelled(
    desk: Desk, reacting: Reacting, kind: type[CreateSession | SubmitQuery], submitted: int
) -> None:
    execution = await started(desk)
    cancel = CancelExecution(task_id=execution.task_id, execution_id=execution.id)
    reacting.others.meanwhile[kind] = lambda: desk.send(cancel)
    await reacting.start(execution)
    assert len(reacting.others.received(SubmitQuery)) == submitted
    [cancelled] = reacting.others.received(CancelRun)
    assert (cancelled.session_id, cancelled.run_id) == (execution.session_id, execution.run_id)
    assert (await desk.latest(execution)).status == "cancelled"


async def test_a_submission_after_the_cancellation_changes_nothing(desk: Desk, reacting: Reacting) -> None:
    execution = await started(desk)
    cancel = CancelExecution(task_id=execution.task_id, execution_id=execution.id)
    reacting.others.meanwhile[SubmitQuery] = lambda: desk.send(cancel)
    reacting.others.refuse(SubmitQuery, Code.RUN_OVER)
    await reacting.start(execution)
    assert ((await desk.latest(execution)).status, await desk.unsubmitted()) == ("cancelled", [])


async def test_the_run_of_a_task_that_is_deleted_meanwhile_is_cancelled(desk: Desk, reacting: Reacting) -> None:
    execution = await started(desk)
    reacting.others.meanwhile[CreateSession] = lambda: desk.send(DeleteTask(task_id=execution.task_id))
    reacting.others.refuse(CancelRun, Code.RUN_NOT_FOUND)
    await reacting.start(execution)
    assert len(reacting.others.received(CancelRun)) == 1


async def test_the_run_that_another_worker_submitted_is_not_cancelled(desk: Desk, reacting: Reacting) -> None:
    execution = await started(desk)
    reacting.others.meanwhile[CreateSession] = lambda: desk.submit(execution)
    await reacting.start(execution)
    assert reacting.others.received(CancelRun) == []
    assert (await desk.latest(execution)).status == "running"


async def test_an_attempt_that_cannot_be_started_is_given_up(desk: Desk, reacting: Reacting) -> None:
    execution = await started(desk)
    await reacting.give_up(execution)
    assert (await desk.latest(execution)).error_code == Code.RUN_INTERRUPTED


async def test_the_run_of_an_attempt_that_is_given_up_is_cancelled(desk: Desk, reacting: Reacting) -> None:
    execution = await started(desk)
    await reacting.give_up(execution)
    assert [command.run_id for command in reacting.others.received(CancelRun)] == [execution.run_id]
