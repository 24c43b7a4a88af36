"""Rebuilt executions are those that there were."""

from contracts.task_scheduler.task import DeleteTask
from eventing.testing.harness import Databases, owned
from eventing.testing.rebuilding import rebuild_model, rows
from task_scheduler.app import service

from .desk import Desk

TABLES = ("executions", "execution_counts")


async def test_executions_of_a_deleted_task_do_not_come_back(desk: Desk, databases: Databases) -> None:
    kept, deleted = await desk.create(), await desk.create()
    for task in (deleted, kept):
        await desk.end(await desk.execute(task.id))
    await desk.send(DeleteTask(task_id=deleted.id))
    await desk.dispatcher.dependencies.executions.delete_of_task(deleted.id)
    before = await rows(desk.database, TABLES)
    await rebuild_model(service, "executions", databases, desk.database)
    assert await rows(desk.database, TABLES) == before
    assert len(before["executions"]) == 1


async def test_new_executions_come_after_those_that_were_rebuilt(desk: Desk, databases: Databases) -> None:
    task = await desk.create()
    async with owned(databases, desk.database) as owner:
        await owner.fetchval("SELECT nextval(pg_get_serial_sequence('executions', 'position'))")
    first = await desk.execute(task.id)
    await desk.end(first)
    await rebuild_model(service, "executions", databases, desk.database)
    second = await desk.execute(task.id)
    found = await desk.database.fetch("SELECT id, position FROM executions ORDER BY position")
    assert [(row["id"], row["position"]) for row in found] == [(first.id, 2), (second.id, 3)]
