"""The handlers of executions, on a store in memory."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from contracts.refusals import Code, Refusal
from contracts.samples import SESSION
from contracts.task_scheduler.execution import (
    CancelExecution,
    ExecuteTask,
    RetryExecution,
    StartOnEvent,
)
from contracts.task_scheduler.task import AdvanceSchedule, ChangeTask, CreateTask, PauseTask
from contracts.task_scheduler.values import MAX_ACTIVE_EXECUTIONS, MAX_WAITING_EXECUTIONS, OverlapPolicy, TaskChanges
from task_scheduler.aggregate.execution import tick_execution_id

from .memory_desk import ADMIN, TASK_ID, MemoryDesk, definition, execution_id, hourly

OTHER = UUID(SESSION)
ONE, TWO = execution_id("one"), execution_id("two")


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


def on_event(name: str, *chain: UUID) -> StartOnEvent:
    return StartOnEvent(
        task_id=TASK_ID,
        execution_id=execution_id(name),
        event="session.created",
        variables={"event": "session.created"},
        chain=[*chain],
    )


def retry(name: str, of: UUID) -> RetryExecution:
    return RetryExecution(task_id=TASK_ID, execution_id=execution_id(name), retry_of=of)


def cancel(id: UUID) -> CancelExecution:
    return CancelExecution(task_id=TASK_ID, execution_id=id)


async def test_an_execution_has_the_variables_of_task_and_request(desk: MemoryDesk) -> None:
    await desk.create(definition(variables={"colour": "red", "size": 1}))
    execution = await desk.execution(await desk.execute("one", size=2))
    assert (execution.status, execution.created.trigger) == ("running", "manual")
    assert execution.created.variables == {"colour": "red", "size": 2}
    assert await desk.events() == ["created", "execution_created", "execution_started", "execution_admitted"]


async def test_an_execution_without_a_prompt_is_refused_and_not_recorded(desk: MemoryDesk) -> None:
    await desk.create(definition(prompt_template="Paint it {{colour}}."))
    with pytest.raises(Refusal, match=Code.VARIABLES_MISSING):
        await desk.execute("one")
    assert await desk.events() == ["created"]


async def test_a_paused_task_can_be_executed(desk: MemoryDesk) -> None:
    await desk.create(definition())
    await desk.put(PauseTask(task_id=TASK_ID))
    assert await desk.status(await desk.execute("one")) == "running"


@pytest.mark.parametrize(
    ("policy", "accepted"),
    [
        ("skip", 1),
        ("queue_one", 2),
        ("queue_all", 1 + MAX_WAITING_EXECUTIONS),
        ("allow", MAX_ACTIVE_EXECUTIONS),
    ],
)
async def test_an_execution_that_the_policy_would_skip_is_refused(
    desk: MemoryDesk, policy: OverlapPolicy, accepted: int
) -> None:
    await desk.create(definition(overlap_policy=policy))
    for number in range(accepted):
        await desk.execute(str(number))
    with pytest.raises(Refusal, match=Code.TASK_BUSY):
        await desk.execute("too many")
    assert len(await desk.executions()) == accepted


async def test_a_skipped_execution_names_the_policies_that_let_it_wait(desk: MemoryDesk) -> None:
    await desk.create(definition(overlap_policy="skip"))
    await desk.execute("one")
    with pytest.raises(Refusal, match="`queue_one` or `queue_all`"):
        await desk.execute("two")


async def test_a_new_execution_replaces_those_that_are_active(desk: MemoryDesk) -> None:
    await desk.create(definition(overlap_policy="cancel_running"))
    ids = [await desk.execute(name) for name in ("one", "two")]
    assert [await desk.status(id) for id in ids] == ["cancelled", "running"]
    assert (await desk.task()).active == [ids[1]]


async def test_a_new_execution_also_replaces_those_that_wait(desk: MemoryDesk) -> None:
    await desk.create(definition(overlap_policy="queue_all"))
    ids = [await desk.execute(name) for name in ("one", "two")]
    await desk.put(ChangeTask(task_id=TASK_ID, changes=TaskChanges(overlap_policy="cancel_running")))
    ids.append(await desk.execute("three"))
    assert [await desk.status(id) for id in ids] == ["cancelled", "cancelled", "running"]


async def test_cancelling_starts_the_next_execution(desk: MemoryDesk) -> None:
    await desk.create(definition(overlap_policy="queue_all"))
    ids = [await desk.execute(name) for name in ("one", "two")]
    await desk.put(cancel(ids[0]), ADMIN)
    assert [await desk.status(id) for id in ids] == ["cancelled", "running"]


async def test_cancelling_a_waiting_execution_leaves_the_active_one(desk: MemoryDesk) -> None:
    await desk.create(definition(overlap_policy="queue_all"))
    ids = [await desk.execute(name) for name in ("one", "two")]
    await desk.put(cancel(ids[1]))
    task = await desk.task()
    assert (task.active, task.waiting) == ([ids[0]], [])


async def test_an_execution_that_is_over_cannot_be_cancelled(desk: MemoryDesk) -> None:
    await desk.create(definition())
    await desk.execute("one")
    await desk.end(ONE)
    with pytest.raises(Refusal, match=Code.EXECUTION_OVER):
        await desk.put(cancel(ONE))


@pytest.mark.parametrize("command", [cancel(ONE), retry("two", ONE)])
async def test_an_execution_of_another_task_is_not_found(desk: MemoryDesk, command: Any) -> None:
    await desk.create(definition())
    await desk.execute("one")
    other = UUID(int=7)
    await desk.put(CreateTask(task_id=other, definition=definition()))
    with pytest.raises(Refusal, match=Code.EXECUTION_NOT_FOUND):
        await desk.put(command.model_copy(update={"task_id": other}))


@pytest.mark.parametrize("command", [cancel(ONE), retry("two", ONE)])
async def test_an_unknown_execution_is_not_found(desk: MemoryDesk, command: Any) -> None:
    await desk.create(definition())
    with pytest.raises(Refusal, match=Code.EXECUTION_NOT_FOUND):
        await desk.put(command)


async def test_a_retry_repeats_the_variables_and_the_tick(desk: MemoryDesk) -> None:
    await desk.create(hourly(variables={"colour": "red"}, prompt_template="{{date}} {{colour}}"))
    desk.now += timedelta(hours=1)
    await desk.put(AdvanceSchedule(task_id=TASK_ID))
    earlier = tick_execution_id(TASK_ID, desk.now)
    await desk.end(earlier)
    await desk.put(ChangeTask(task_id=TASK_ID, changes=TaskChanges(variables={}, timeout_seconds=60)))
    await desk.put(retry("two", earlier))
    created = (await desk.execution(TWO)).created
    assert (created.trigger, created.retry_of, created.scheduled_for) == ("manual", earlier, desk.now)
    assert (created.variables, created.timeout_seconds) == ({"colour": "red"}, 60)


async def test_a_retry_keeps_the_depth(desk: MemoryDesk) -> None:
    await desk.create(definition())
    await desk.put(ExecuteTask(task_id=TASK_ID, execution_id=ONE, depth=2))
    await desk.end(ONE)
    await desk.put(retry("two", ONE))
    assert (await desk.execution(TWO)).created.depth == 2


async def test_only_an_execution_that_has_ended_is_retried(desk: MemoryDesk) -> None:
    await desk.create(definition(overlap_policy="allow"))
    await desk.execute("one")
    with pytest.raises(Refusal, match=Code.EXECUTION_NOT_OVER):
        await desk.put(retry("two", ONE))


async def test_a_retry_is_refused_while_the_task_is_busy(desk: MemoryDesk) -> None:
    await desk.create(definition())
    await desk.execute("one")
    await desk.end(ONE)
    await desk.execute("two")
    with pytest.raises(Refusal, match=Code.TASK_BUSY):
        await desk.put(retry("three", ONE))


async def test_a_retry_whose_prompt_cannot_be_rendered_any_more_is_refused(desk: MemoryDesk) -> None:
    await desk.create(definition())
    await desk.execute("one")
    await desk.end(ONE)
    await desk.put(ChangeTask(task_id=TASK_ID, changes=TaskChanges(prompt_template="{{colour}}")))
    with pytest.raises(Refusal, match=Code.VARIABLES_MISSING):
        await desk.put(retry("two", ONE))


async def test_an_event_starts_an_execution(desk: MemoryDesk) -> None:
    await desk.create(definition(variables={"colour": "red"}))
    await desk.put(on_event("one", OTHER))
    execution = await desk.execution(ONE)
    assert (execution.status, execution.created.trigger) == ("running", "event")
    assert (execution.created.event, execution.created.chain) == ("session.created", [OTHER])
    assert execution.created.variables == {"colour": "red", "event": "session.created"}


async def test_an_event_starts_nothing_while_the_task_is_paused(desk: MemoryDesk) -> None:
    await desk.create(definition())
    await desk.put(PauseTask(task_id=TASK_ID))
    await desk.put(on_event("one"))
    assert await desk.events() == ["created", "paused"]


async def test_an_event_starts_one_execution_if_it_is_delivered_twice(desk: MemoryDesk) -> None:
    await desk.create(definition(overlap_policy="allow"))
    await desk.put(on_event("one"))
    await desk.put(on_event("one"))
    assert await desk.statuses() == ["running"]


async def test_an_event_is_skipped_while_the_task_is_busy(desk: MemoryDesk) -> None:
    await desk.create(definition())
    await desk.execute("one")
    await desk.put(on_event("two"))
    assert await desk.statuses() == ["running", "skipped"]


@pytest.mark.parametrize(
    ("chain", "code"),
    [([OTHER, TASK_ID], Code.CHAIN_LOOP), ([UUID(int=n) for n in range(5)], Code.CHAIN_TOO_LONG)],
)
async def test_a_chain_of_events_is_bounded(desk: MemoryDesk, chain: list[UUID], code: Code) -> None:
    await desk.create(definition(overlap_policy="cancel_running"))
    await desk.execute("one")
    await desk.put(on_event("two", *chain))
    assert await desk.statuses() == ["running", "skipped"]
    assert (await desk.last()).model_dump()["error_code"] == code
