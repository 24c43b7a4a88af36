"""The events of a deleted task and of its executions are erased."""

from uuid import UUID

from contracts.task_scheduler.execution import ExecuteTask
from contracts.task_scheduler.task import DeleteTask
from eventing.database import Database
from eventing.testing.breaking import WORD, dump_events, erase_deleted
from runtime.clock import new_id

from .desk import Desk


async def create(desk: Desk) -> UUID:
    """Create a task that has executed once, with a word in its prompt and one in its variables."""
    task = await desk.create(prompt_template=f"{WORD} {{{{place}}}}", variables={"place": f"\0 {WORD}"})
    await desk.send(ExecuteTask(task_id=task.id, execution_id=new_id(), variables={"place": WORD}))
    return task.id


async def delete(desk: Desk, task_id: UUID) -> None:
    await desk.send(DeleteTask(task_id=task_id))
    await desk.dispatcher.dependencies.executions.delete_of_task(task_id)


async def test_events_of_a_deleted_task_and_its_executions_are_erased(desk: Desk, owner: Database) -> None:
    await delete(desk, await create(desk))
    assert WORD in await dump_events(owner)
    await erase_deleted(desk.database, owner)
    assert WORD not in await dump_events(owner)
    assert await owner.fetchval("SELECT count(*) FROM events WHERE topic NOT LIKE '%;erased'") == 1


async def test_executions_of_a_task_that_exists_are_not_erased(desk: Desk, owner: Database) -> None:
    await delete(desk, await create(desk))
    kept = await create(desk)
    await owner.execute("DELETE FROM executions WHERE task_id = $1", kept)  # as one wrong line of code could
    assert await owner.fetchval("SELECT count(*) FROM erasures") == 2
