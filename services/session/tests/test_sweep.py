"""What the read model shows as unfinished: it is taken up whatever the bus dropped, and nothing else is done again."""

from typing import Any, cast
from unittest.mock import Mock
from uuid import UUID

import pytest
from contracts.refusals import Code
from contracts.session.archive import CompleteArchive, CompleteUnarchive, FailUnarchive
from contracts.session.fork import CompleteFork, FailFork
from contracts.session.run import CancelRun, EndRun, RunView, StartRun
from contracts.session.session import DeleteSession
from eventing import leases
from eventing.database import Database
from eventing.leases import Leases
from eventing.migrating import migrate
from eventing.postgres import PostgresStore
from eventing.recording import Recorded
from eventing.relay import Relay
from eventing.testing import background, eventually
from runtime.clock import now
from runtime.envelope import Envelope
from runtime.jetstream import jetstream
from session.app import service
from session.reactions.archive import end_archived_agent

from services.session.tests.box import Box
from services.session.tests.desk import OWNER, Desk
from services.session.tests.hands import ARCHIVE, COPY, COPYING, FORKED, PACKING, PARENT, RESUME, Hands, archived


async def unfinished(desk: Desk) -> list[tuple[str, UUID]]:
    """Give what is to be done, by the reaction that does it."""
    found: list[tuple[str, UUID]] = []
    for name, reaction in service.reactions.by_name.items():
        if reaction.unfinished:
            rows = await desk.dispatcher.database.fetch(reaction.unfinished.statement)
            found += [(name, row["aggregate"]) for row in rows]
    return found


async def test_a_run_is_unfinished_from_its_turn_to_its_end(desk: Desk) -> None:
    session_id = await desk.create()
    run = await desk.submit(session_id)
    await desk.submit(session_id, "enqueue")
    assert await unfinished(desk) == [("run_agent", session_id)]
    await desk.send(StartRun(session_id=session_id, run_id=run.id))
    assert await unfinished(desk) == [("run_agent", session_id)]
    await desk.send(EndRun(session_id=session_id, run_id=run.id, attempt=1))
    assert await unfinished(desk) == [("run_agent", session_id)]  # the next one's turn has come


async def test_a_cancelled_run_is_not_unfinished(desk: Desk) -> None:
    run = await desk.submit(await desk.create())
    await desk.send(CancelRun(session_id=run.session_id, run_id=run.id))
    assert await unfinished(desk) == []


async def test_runs_of_a_deleted_session_are_not_unfinished(desk: Desk) -> None:
    run = await desk.submit(await desk.create())
    await desk.send(DeleteSession(session_id=run.session_id))
    assert await unfinished(desk) == []


@pytest.mark.parametrize("ending", [CompleteFork, FailFork])
async def test_a_fork_is_unfinished_until_it_is_made_or_failed(talked: Desk, ending: type[Any]) -> None:
    await talked.send(FORKED)
    assert await unfinished(talked) == [("copy_parent", COPY)]
    await talked.send(ending.example())
    assert await unfinished(talked) == []


async def test_an_archive_is_unfinished_while_it_is_packed_or_unpacked(talked: Desk) -> None:
    await talked.send(ARCHIVE)
    assert await unfinished(talked) == [("pack_workspace", PARENT)]
    await talked.send(CompleteArchive.example())
    assert await unfinished(talked) == []
    await talked.send(RESUME)
    assert await unfinished(talked) == [("unpack_workspace", PARENT)]
    await talked.send(FailUnarchive.example())
    assert await unfinished(talked) == []
    await talked.send(RESUME)
    await talked.send(CompleteUnarchive.example())
    assert await unfinished(talked) == []


async def test_a_fork_that_is_told_again_while_it_is_archived_is_not_copied_again(talked: Desk) -> None:
    await talked.send(FORKED)
    await talked.send(CompleteFork.example())
    await talked.send(ARCHIVE.model_copy(update={"session_id": COPY}))
    copying = service.reactions.by_name["copy_parent"]
    told_again = Recorded(COPY, 1, now(), COPYING, Envelope.begin(actor=OWNER), OWNER.user_id)
    assert copying.unfinished
    assert await Leases(talked.dispatcher.database).acquire(copying.name, copying.unfinished, told_again) is None


async def test_an_archive_that_is_told_again_after_it_was_opened_ends_no_agent(hands: Hands) -> None:
    await archived(hands)
    await hands.desk.send(RESUME)
    await hands.unpack()
    agents = cast(Any, hands.dependencies.agents)
    agents.reset_mock()
    await hands.react(end_archived_agent, PARENT, PACKING)
    await hands.pack()
    assert agents.mock_calls == []


async def test_an_archived_session_has_no_agent_in_any_replica(hands: Hands) -> None:
    await archived(hands)
    agents = cast(Any, hands.dependencies.agents)
    agents.call_off = Mock()
    await hands.react(end_archived_agent, PARENT, PACKING)
    agents.call_off.assert_called_once_with(PARENT)


async def test_an_archive_that_is_told_of_a_deleted_session_ends_no_agent(hands: Hands) -> None:
    await hands.delete()
    await hands.react(end_archived_agent, PARENT, PACKING)
    cast(Any, hands.dependencies.agents).call_off.assert_not_called()


async def dropped_by_the_bus(box: Box, *, begun: bool) -> RunView:
    """Give a run whose request was on the bus, and is there no more."""
    async with Database.open(box.settings.database_url, service.name) as database:
        await migrate(database, service.migrations)
        desk, js = Desk(database), jetstream(box.remote.client)
        run = await desk.submit(await desk.create())
        if begun:
            await desk.send(StartRun(session_id=run.session_id, run_id=run.id))
        relay = Relay(PostgresStore(database, service.events, service.project), js, service.name)
        async with background(relay.run()):
            await eventually(lambda: database.fetchval("SELECT count(*) FROM relayed"))
        await js.purge_stream(relay.stream)
    return run


@pytest.mark.parametrize(
    ("begun", "status", "error_code"), [(False, "completed", None), (True, "failed", Code.RUN_INTERRUPTED)]
)
async def test_a_run_whose_event_the_bus_has_dropped_comes_to_its_end(
    box: Box, monkeypatch: pytest.MonkeyPatch, begun: bool, status: str, error_code: Code | None
) -> None:
    monkeypatch.setattr(leases, "SWEEP_SECONDS", 0.2)
    run = await dropped_by_the_bus(box, begun=begun)
    async with box.replica():
        ended = await box.remote.ended(run)
    assert (ended.status, ended.error_code) == (status, error_code)
