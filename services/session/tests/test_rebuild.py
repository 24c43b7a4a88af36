"""Rebuilt sessions have what no event contains, or no longer."""

from uuid import UUID

from contracts.samples import SESSION
from contracts.session.session import DeleteSession
from eventing.testing.harness import Databases, owned
from eventing.testing.rebuilding import erase_all, rebuild_model, rows
from session.app import service
from session.read_models import SESSIONS

from services.session.tests.desk import Desk
from services.session.tests.test_copied_work import call_again, fork


async def test_a_fork_keeps_what_it_has_of_an_erased_parent(desk_after_run: Desk, databases: Databases) -> None:
    database = desk_after_run.database
    await call_again(desk_after_run, await fork(desk_after_run))
    await desk_after_run.send(DeleteSession(session_id=UUID(SESSION)))
    async with owned(databases, database) as owner:
        await erase_all(owner)
    before = await rows(database, SESSIONS.tables)
    await rebuild_model(service, "sessions", databases, database)
    assert await rows(database, SESSIONS.tables) == before
    assert (len(before["messages"]), len(before["tool_calls"])) == (4, 2)


async def test_what_an_agent_at_work_has_charged_is_kept(desk: Desk, databases: Databases) -> None:
    await desk.submit(await desk.create())
    await desk.database.execute("UPDATE runs SET charged_usd = 2, meter = id, meter_usd = 3")
    before = await rows(desk.database, ["runs"])
    await rebuild_model(service, "sessions", databases, desk.database)
    assert await rows(desk.database, ["runs"]) == before
