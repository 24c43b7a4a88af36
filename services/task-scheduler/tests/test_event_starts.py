"""The start of tasks on events of their owner's sessions and executions."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import pytest
from contracts.identity.user import GetActor
from contracts.messages import Actor
from contracts.refusals import Code
from contracts.samples import RUN, SESSION
from contracts.session.run import RunFailed
from contracts.session.session import SessionCreated, SessionDeleted
from contracts.session.values import Usage
from contracts.task_scheduler.event import FindEventStarts
from contracts.task_scheduler.execution import ExecutionCreated, ListExecutions
from contracts.task_scheduler.task import ChangeTask, DeleteTask, PauseTask, ResumeTask
from contracts.task_scheduler.task_view import TaskView
from contracts.task_scheduler.values import TaskChanges
from eventing.database import Database
from runtime.bus import NoResponders
from runtime.clock import new_id
from structlog.testing import capture_logs
from task_scheduler.events import KINDS
from task_scheduler.reactions import reactions

from .desk import ADMIN, NOON, OWNER, STRANGER, Desk
from .event_source import EventSource

MINUTE = timedelta(minutes=1)
FAILED = RunFailed.example()
USAGE = {"duration_ms": 0, "input_tokens": 0, "output_tokens": 0, "cost_usd": 0.0}


@pytest.fixture
def source(desk: Desk) -> EventSource:
    desk.at(NOON)
    return EventSource(desk)


async def create(desk: Desk, *names: str, **fields: Any) -> TaskView:
    """Create a task that starts on events, one minute before noon."""
    desk.at(NOON - MINUTE)
    task = await desk.create(on=[*names], **fields)
    desk.at(NOON)
    return task


async def test_an_event_starts_the_tasks_that_name_it(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "session.run_failed")
    await create(desk, "session.created")
    await source.publish(FAILED)
    assert await desk.executions(task.id) == [("running", "event")]
    assert await desk.database.fetchval("SELECT count(*) FROM executions") == 1


async def test_a_wildcard_names_all_events_of_sessions(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "session.*", overlap_policy="allow")
    for event in (FAILED, SessionCreated.example(), SessionDeleted.example()):
        await source.publish(event, id=new_id())
    assert len(await desk.executions(task.id)) == 3


async def test_an_event_that_is_named_twice_starts_the_task_once(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "session.*", "session.run_failed", "session.run_failed", overlap_policy="allow")
    await source.publish(FAILED)
    assert len(await desk.executions(task.id)) == 1


async def test_the_execution_knows_its_event(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "session.run_failed", variables={"place": "here", "event": "none"})
    await source.publish(FAILED)
    [execution] = await source.created(task)
    fields = {**FAILED.model_dump(mode="json"), "usage": USAGE}
    ids = {"event": "session.run_failed", "session_id": SESSION, "run_id": RUN}
    assert execution.variables == {"place": "here", **ids, "payload": fields}
    assert (execution.event, execution.chain) == ("session.run_failed", [])


async def test_the_cost_in_a_payload_is_a_number(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "session.run_failed")
    await source.publish(FAILED.model_copy(update={"usage": Usage(cost_usd=Decimal("0.0357920000"))}))
    [execution] = await source.created(task)
    assert '"cost_usd":0.035792}' in execution.model_dump_json()


async def test_a_large_event_is_a_preview(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "session.run_failed")
    await source.publish(FAILED.model_copy(update={"error_detail": "x" * 100_000}))
    [execution] = await source.created(task)
    payload = execution.variables["payload"]
    assert isinstance(payload, dict)
    assert (payload["truncated"], len(str(payload["preview"]))) == (True, 1000)


async def test_another_users_event_starts_nothing(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "session.*")
    await source.publish(FAILED, owner=STRANGER.user_id)
    assert await desk.executions(task.id) == []


async def test_an_event_of_an_admin_starts_only_the_admins_tasks(desk: Desk, source: EventSource) -> None:
    task, own = await create(desk, "session.*"), await create(desk, "session.*", actor=ADMIN)
    await source.publish(FAILED, owner=ADMIN.user_id)
    assert await desk.executions(task.id) == []
    assert await desk.database.fetchval("SELECT task_id FROM executions") == own.id


async def test_an_event_from_before_the_task_starts_nothing(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "session.run_failed")
    await source.publish(FAILED, at=NOON - MINUTE)
    assert await desk.executions(task.id) == []


async def test_an_event_from_before_the_last_change_starts_nothing(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "session.created")
    await desk.send(ChangeTask(task_id=task.id, changes=TaskChanges(on=["session.run_failed"])))
    await source.publish(FAILED, at=NOON)
    assert await desk.executions(task.id) == []
    await source.publish(FAILED, at=NOON + MINUTE)
    assert await desk.executions(task.id) == [("running", "event")]


async def test_an_event_that_is_not_named_any_more_starts_nothing(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "session.run_failed")
    await desk.send(ChangeTask(task_id=task.id, changes=TaskChanges(on=[])))
    await source.publish(FAILED, at=NOON + MINUTE)
    assert await desk.executions(task.id) == []


async def test_an_event_older_than_an_hour_reads_nothing(source: EventSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source.desk.dispatcher, "ask", None)
    await source.publish(SessionCreated.example(), at=NOON - timedelta(hours=1, seconds=1))


async def test_an_event_of_the_last_hour_starts_a_task(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "session.run_failed")
    desk.at(NOON + timedelta(minutes=59))
    await source.publish(FAILED, at=NOON)
    assert len(await desk.executions(task.id)) == 1


async def test_a_paused_task_does_not_start(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "session.run_failed")
    await desk.send(PauseTask(task_id=task.id))
    await source.publish(FAILED, at=NOON + MINUTE)
    assert await desk.executions(task.id) == []


async def test_a_paused_task_is_not_found_for_an_event(desk: Desk) -> None:
    task = await create(desk, "session.run_failed")
    await desk.send(PauseTask(task_id=task.id))
    query = FindEventStarts(user_id=OWNER.user_id, event="session.run_failed", at=NOON + MINUTE, source_id=task.id)
    assert (await desk.ask(query)).task_ids == []


async def test_a_task_that_is_changed_while_paused_does_not_start(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "session.created")
    await desk.send(PauseTask(task_id=task.id))
    await desk.send(ChangeTask(task_id=task.id, changes=TaskChanges(on=["session.run_failed"])))
    await source.publish(FAILED, at=NOON + MINUTE)
    assert await desk.database.fetchval("SELECT isfinite(since) FROM event_starts") is False
    assert await desk.executions(task.id) == []


async def test_events_during_a_pause_start_nothing_after_it(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "session.run_failed")
    await desk.send(PauseTask(task_id=task.id))
    desk.at(NOON + 2 * MINUTE)
    await desk.send(ResumeTask(task_id=task.id))
    await source.publish(FAILED, at=NOON + MINUTE)
    assert await desk.executions(task.id) == []
    await source.publish(FAILED, at=NOON + 3 * MINUTE)
    assert await desk.executions(task.id) == [("running", "event")]


async def test_a_deleted_task_does_not_start(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "session.run_failed")
    await desk.send(DeleteTask(task_id=task.id))
    await source.publish(FAILED)
    assert await desk.database.fetchval("SELECT count(*) FROM event_starts") == 0
    assert await desk.database.fetchval("SELECT count(*) FROM executions") == 0


async def test_a_redelivered_event_starts_a_task_once(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "session.run_failed", overlap_policy="allow")
    for _ in range(3):
        await source.publish(FAILED)
    assert len(await desk.executions(task.id)) == 1


async def test_each_event_starts_a_task(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "session.run_failed", overlap_policy="allow")
    for version in range(3):
        await source.publish(FAILED, version=version)
    assert len(await desk.executions(task.id)) == 3


async def test_the_overlap_policy_applies_to_events(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "session.run_failed", overlap_policy="skip")
    for version in range(2):
        await source.publish(FAILED, version=version)
    assert await desk.executions(task.id) == [("skipped", "event"), ("running", "event")]


async def test_an_event_caused_by_an_admin_starts_tasks_for_their_owner(desk: Desk, source: EventSource) -> None:
    source.others.role = "viewer"
    task = await create(desk, "session.run_failed")
    await source.publish(FAILED, actor=ADMIN)
    [execution] = (await desk.ask(ListExecutions(task_id=task.id))).items
    created = await desk.dispatcher.store.latest(ExecutionCreated, execution.id)
    assert created
    assert created.envelope.actor == Actor(user_id=OWNER.user_id, role="viewer")


@pytest.mark.parametrize("code", [Code.USER_INACTIVE, Code.USER_NOT_FOUND])
async def test_events_of_a_disabled_owner_start_nothing_and_are_logged(
    desk: Desk, source: EventSource, code: Code
) -> None:
    task = await create(desk, "session.run_failed")
    source.others.refuse(GetActor, code)
    with capture_logs() as logs:
        await source.publish(FAILED)
    assert await desk.executions(task.id) == []
    assert [(entry["event"], entry["code"]) for entry in logs] == [("task not started on event", code)]


async def test_an_event_is_redelivered_while_identity_is_unavailable(
    desk: Desk, source: EventSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventing.retrying.PAUSES", ())
    task = await create(desk, "session.run_failed")
    source.others.replies[GetActor] = NoResponders("identity")
    with pytest.raises(NoResponders):
        await source.publish(FAILED)
    source.others.replies.clear()
    await source.publish(FAILED)
    assert len(await desk.executions(task.id)) == 1


async def test_an_event_starts_at_most_the_twenty_oldest_tasks(desk: Desk, source: EventSource) -> None:
    tasks = [(await create(desk, "session.run_failed")).id for _ in range(21)]
    with capture_logs() as logs:
        await source.publish(FAILED)
    rows = await desk.database.fetch("SELECT task_id FROM executions ORDER BY position")
    assert [row["task_id"] for row in rows] == tasks[:20]
    assert [entry["event"] for entry in logs] == ["more tasks would start on an event than may"]


async def test_a_task_that_is_deleted_meanwhile_does_not_stop_the_others(
    desk: Desk, owner: Database, source: EventSource
) -> None:
    gone, task = await create(desk, "session.run_failed"), await create(desk, "session.run_failed")
    await owner.execute("DELETE FROM events WHERE originator_id = $1", gone.id)
    await source.publish(FAILED)
    assert len(await desk.executions(task.id)) == 1


def test_every_event_that_starts_tasks_has_a_shared_reaction() -> None:
    assert {*KINDS} <= {one.event for one in reactions.delivered("shared")}


async def test_the_ids_of_executions_derive_from_task_and_event(desk: Desk, source: EventSource) -> None:
    task = await create(desk, "session.run_failed")
    await source.publish(FAILED, version=7)
    [execution] = (await desk.ask(ListExecutions(task_id=task.id))).items
    assert execution.id == uuid5(task.id, f"event {UUID(SESSION)} 7")
