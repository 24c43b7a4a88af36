"""The handlers of tasks and schedules, on a store in memory."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Command
from contracts.refusals import Code, Refusal
from contracts.task_scheduler.execution import CancelExecution, ExecuteTask, RetryExecution, StartOnEvent
from contracts.task_scheduler.task import (
    AdvanceSchedule,
    ChangeTask,
    DeleteTask,
    PauseTask,
    ResumeTask,
    TaskDeleted,
)
from contracts.task_scheduler.values import OverlapPolicy, TaskChanges, TaskDefinition
from eventing.store import AnyAggregate, Conflict
from eventing.store.memory import MemoryStore
from task_scheduler.aggregate.execution import tick_execution_id
from task_scheduler.handlers.task import ClockSetBack

from .memory_desk import ADMIN, NOON, OWNER, STRANGER, TASK_ID, MemoryDesk, definition, execution_id, hourly

ONE = timedelta(hours=1)
POLICIES: list[OverlapPolicy] = ["skip", "queue_one", "queue_all", "cancel_running", "allow"]


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


async def tick(desk: MemoryDesk, hours: int = 1) -> None:
    """Let hours pass, and process the ticks that are due then."""
    desk.now += hours * ONE
    await desk.put(AdvanceSchedule(task_id=TASK_ID))


def change(**fields: Any) -> ChangeTask:
    return ChangeTask(task_id=TASK_ID, changes=TaskChanges.model_validate(fields))


async def test_creating_records_the_actor_as_owner(desk: MemoryDesk) -> None:
    await desk.create(definition())
    assert (await desk.task()).owner == OWNER.user_id


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        (definition(on=["session.created", "no.such"]), Code.INVALID_EVENT_NAME),
        (definition(prompt_template="{{"), Code.TEMPLATE_INVALID),
        (definition(is_scheduled=True), Code.INVALID_SCHEDULE),
        (definition(schedule_cron="61 * * * *"), Code.INVALID_SCHEDULE),
        (definition(schedule_timezone="Mars/Olympus"), Code.INVALID_TIMEZONE),
        (definition(sdk_options={"env": {"TOKEN": "***"}}), Code.VARIABLE_NOT_SET),
    ],
)
async def test_an_invalid_definition_is_refused(desk: MemoryDesk, refused: TaskDefinition, code: Code) -> None:
    with pytest.raises(Refusal, match=code):
        await desk.create(refused)
    await desk.create(definition())
    changes = TaskChanges.model_validate(refused.model_dump(exclude_unset=True))
    with pytest.raises(Refusal, match=code):
        await desk.put(ChangeTask(task_id=TASK_ID, changes=changes))
    assert await desk.events() == ["created"]


@pytest.mark.parametrize(
    "command",
    [
        change(name="two"),
        PauseTask(task_id=TASK_ID),
        ResumeTask(task_id=TASK_ID),
        DeleteTask(task_id=TASK_ID),
        AdvanceSchedule(task_id=TASK_ID),
        ExecuteTask(task_id=TASK_ID, execution_id=execution_id("one")),
        RetryExecution(task_id=TASK_ID, execution_id=execution_id("two"), retry_of=execution_id("one")),
        CancelExecution(task_id=TASK_ID, execution_id=execution_id("one")),
        StartOnEvent.example().model_copy(update={"task_id": TASK_ID}),
    ],
)
async def test_another_users_task_is_not_found(desk: MemoryDesk, command: Command[Any]) -> None:
    await desk.create(definition())
    with pytest.raises(Refusal, match=Code.TASK_NOT_FOUND):
        await desk.put(command, STRANGER)
    assert await desk.events() == ["created"]


async def test_an_admin_changes_another_users_task_and_it_keeps_its_owner(desk: MemoryDesk) -> None:
    await desk.create(definition())
    await desk.put(change(name="two"), ADMIN)
    task = await desk.task()
    assert (task.owner, task.definition.name) == (OWNER.user_id, "two")


async def test_an_execution_of_an_admin_belongs_to_the_owner_of_the_task(desk: MemoryDesk) -> None:
    await desk.create(definition())
    await desk.put(ExecuteTask(task_id=TASK_ID, execution_id=execution_id("one")), ADMIN)
    assert (await desk.execution(execution_id("one"))).owner == OWNER.user_id


async def test_the_task_of_a_deleted_task_is_not_found(desk: MemoryDesk) -> None:
    await desk.create(definition())
    await desk.put(DeleteTask(task_id=TASK_ID))
    with pytest.raises(Refusal, match=Code.TASK_NOT_FOUND):
        await desk.execute("one")


async def test_deleting_cancels_all_executions_in_one_append(desk: MemoryDesk) -> None:
    await desk.create(definition(overlap_policy="queue_all"))
    ids = [await desk.execute(name) for name in ("one", "two", "three")]
    await desk.put(DeleteTask(task_id=TASK_ID))
    assert [await desk.status(id) for id in ids] == ["cancelled"] * 3
    assert len({entry.recorded.envelope.message_id for entry in desk.store.entries[-7:]}) == 1
    assert isinstance(await desk.last(), TaskDeleted)


async def test_a_tick_starts_an_execution_with_the_variables_of_the_task(desk: MemoryDesk) -> None:
    await desk.create(hourly(variables={"colour": "red"}))
    await tick(desk)
    execution = await desk.execution(tick_execution_id(TASK_ID, NOON + ONE))
    assert (execution.status, execution.created.variables) == ("running", {"colour": "red"})
    assert (execution.created.trigger, execution.created.scheduled_for) == ("scheduled", NOON + ONE)


async def test_the_limits_of_the_definition_apply_to_its_executions(desk: MemoryDesk) -> None:
    await desk.create(hourly(max_retries=2, timeout_seconds=60, start_deadline_seconds=30))
    await tick(desk)
    [execution] = await desk.executions()
    assert (execution.created.max_retries, execution.created.timeout_seconds) == (2, 60)
    assert execution.created.start_deadline_at == desk.now + timedelta(seconds=30)
    assert execution.timeout_at == desk.now + timedelta(seconds=60)


class InterleavingStore(MemoryStore):
    """A store in which two commands at the same time both load before one of them saves."""

    async def load[A: AnyAggregate](self, kind: type[A], id: UUID, command_id: UUID | None = None) -> A:
        loaded = await super().load(kind, id, command_id)
        await asyncio.sleep(0)
        return loaded


async def test_of_two_replicas_one_processes_a_tick(desk: MemoryDesk) -> None:
    desk.store = InterleavingStore(desk.store.events)
    await desk.create(hourly(overlap_policy="allow"))
    desk.now += ONE
    advance = AdvanceSchedule(task_id=TASK_ID)
    results = await asyncio.gather(desk.put(advance), desk.put(advance), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), Conflict]
    with pytest.raises(ClockSetBack):  # the dispatcher repeats the command
        await desk.put(advance)
    assert await desk.statuses() == ["running"]


async def test_ticks_before_the_catch_up_window_are_missed(desk: MemoryDesk) -> None:
    await desk.create(hourly())
    await tick(desk, hours=3)
    assert await desk.statuses() == ["missed", "missed", "running"]


async def test_ticks_within_the_catch_up_window_follow_the_overlap_policy(desk: MemoryDesk) -> None:
    await desk.create(hourly(catch_up_window_seconds=86_400, overlap_policy="cancel_running"))
    await tick(desk, hours=3)
    assert await desk.statuses() == ["cancelled", "cancelled", "running"]


async def test_at_most_a_hundred_ticks_are_processed_at_once(desk: MemoryDesk) -> None:
    await desk.create(hourly(catch_up_window_seconds=110 * 3600))
    await tick(desk, hours=120)
    assert await desk.statuses() == ["missed"] * 9 + ["running"] + ["skipped"] * 90
    await desk.put(AdvanceSchedule(task_id=TASK_ID))
    assert await desk.statuses() == ["missed"] * 9 + ["running"] + ["skipped"] * 110


async def test_at_most_a_hundred_missed_ticks_are_recorded_after_an_outage(desk: MemoryDesk) -> None:
    await desk.create(hourly(catch_up_window_seconds=3600))
    await tick(desk, hours=100_000)
    await desk.put(AdvanceSchedule(task_id=TASK_ID))
    assert await desk.statuses() == ["missed"] * 100 + ["running", "skipped"]


async def test_a_tick_that_is_not_due_by_the_clock_of_the_handler_is_repeated(desk: MemoryDesk) -> None:
    await desk.create(hourly())
    with pytest.raises(ClockSetBack):
        await desk.put(AdvanceSchedule(task_id=TASK_ID))
    assert await desk.events() == ["created"]


async def test_a_tick_of_a_paused_task_records_nothing(desk: MemoryDesk) -> None:
    await desk.create(hourly())
    await desk.put(PauseTask(task_id=TASK_ID))
    await tick(desk)
    assert await desk.events() == ["created", "paused"]


async def test_a_resumed_task_does_not_make_up_for_ticks(desk: MemoryDesk) -> None:
    await desk.create(hourly())
    await desk.put(PauseTask(task_id=TASK_ID))
    desk.now += 5 * ONE
    await desk.put(ResumeTask(task_id=TASK_ID))
    await tick(desk)
    assert [execution.created.scheduled_for for execution in await desk.executions()] == [NOON + 6 * ONE]


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_policy_decides_about_a_tick_while_an_execution_is_active(
    desk: MemoryDesk, policy: OverlapPolicy
) -> None:
    await desk.create(hourly(overlap_policy=policy))
    await tick(desk)
    await tick(desk)
    await tick(desk)
    assert await desk.statuses() == {
        "skip": ["running", "skipped", "skipped"],
        "queue_one": ["running", "pending", "skipped"],
        "queue_all": ["running", "pending", "pending"],
        "cancel_running": ["cancelled", "cancelled", "running"],
        "allow": ["running", "running", "running"],
    }.get(policy)


async def test_waiting_executions_start_when_the_policy_allows_more(desk: MemoryDesk) -> None:
    await desk.create(definition(overlap_policy="queue_all"))
    ids = [await desk.execute(name) for name in ("one", "two", "three")]
    await desk.put(change(overlap_policy="allow"))
    assert [await desk.status(id) for id in ids] == ["running"] * 3


async def test_a_cleared_field_has_its_default_value(desk: MemoryDesk) -> None:
    await desk.create(hourly(variables={"colour": "red"}, timeout_seconds=60))
    await desk.put(change(variables=None, timeout_seconds=None, name=None, jitter_seconds=None))
    after = (await desk.task()).definition
    assert (after.variables, after.timeout_seconds, after.name, after.jitter_seconds) == ({}, None, "one", 0)
