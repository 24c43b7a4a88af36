"""The lock of a task is not held while a template is rendered, which may take seconds."""

from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Command
from contracts.task_scheduler.execution import ExecuteTask, RetryExecution
from contracts.task_scheduler.task import ChangeTask
from contracts.task_scheduler.task_view import TaskView
from runtime.clock import new_id

from .desk import Desk
from .memory_desk import Placeholders
from .webhooks import create_trigger, fire, signed


@pytest.fixture
async def task(desk: Desk) -> TaskView:
    return await desk.create(overlap_policy="allow")


@pytest.fixture
def locked(desk: Desk, task: TaskView, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the task was locked, for each template that was checked."""
    locked, check = list[bool](), Placeholders.check

    async def observe(self: Placeholders, template: str, user_id: UUID) -> list[str]:
        locked.append(desk.dispatcher.locks.of(task.id).locked())
        return await check(self, template, user_id)

    monkeypatch.setattr(Placeholders, "check", observe)
    return locked


@pytest.mark.parametrize("kind", [ExecuteTask, ChangeTask])
async def test_a_command_renders_without_the_lock(
    desk: Desk, task: TaskView, locked: list[bool], kind: type[Command[Any]]
) -> None:
    fields = {"task_id": task.id, "execution_id": new_id(), "changes": {"prompt_template": "Hi"}}
    await desk.send(kind.model_validate({name: fields[name] for name in kind.model_fields if name in fields}))
    assert locked == [False]


async def test_a_retry_renders_without_the_lock(desk: Desk, task: TaskView, locked: list[bool]) -> None:
    ended = await desk.end(await desk.execute(task.id))
    await desk.send(RetryExecution(task_id=task.id, execution_id=new_id(), retry_of=ended.id))
    assert locked == [False] * 2


async def test_a_webhook_renders_without_the_lock(desk: Desk, task: TaskView, locked: list[bool]) -> None:
    trigger = await create_trigger(desk, task.id)
    await fire(desk, signed(trigger))
    assert locked == [False]
