"""Changes of tasks that expect a version: that of the task counts, not that of executions that change with it."""

from dataclasses import replace
from typing import Any

import pytest
from contracts.messages import Command
from contracts.refusals import Code, Refusal
from contracts.task_scheduler.task import ChangeTask, DeleteTask, PauseTask
from contracts.task_scheduler.values import TaskChanges
from runtime.bus.envelope import Envelope

from .desk import OWNER, Desk

ALLOW_ALL = TaskChanges(overlap_policy="allow")


async def send(desk: Desk, command: Command[Any], version: int) -> int | None:
    """Send a command that expects a version, and return the version that it leads to."""
    envelope = replace(Envelope.begin(actor=OWNER), expected_versions=(version,))
    return (await desk.dispatcher.send_versioned(command, envelope))[1]


async def version_of(desk: Desk, id: Any) -> int:
    return await desk.dispatcher.store.version([id]) or 0


async def test_a_task_with_an_execution_is_deleted_by_its_own_version(desk: Desk) -> None:
    task = await desk.create()
    execution = await desk.execute(task.id)
    await desk.send(PauseTask(task_id=task.id))
    other, own = await version_of(desk, execution.id), await version_of(desk, task.id)
    assert other != own
    with pytest.raises(Refusal, match=Code.PRECONDITION_FAILED):
        await send(desk, DeleteTask(task_id=task.id), other)
    await send(desk, DeleteTask(task_id=task.id), own)


async def test_a_change_that_starts_an_execution_has_the_version_of_the_task(desk: Desk) -> None:
    task = await desk.create(overlap_policy="queue_all")
    for _ in range(2):
        await desk.execute(task.id)
    changed = await send(desk, ChangeTask(task_id=task.id, changes=ALLOW_ALL), await version_of(desk, task.id))
    assert changed == await version_of(desk, task.id)
