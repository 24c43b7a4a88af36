"""Unfinished work in the read model: it is resumed even if the bus dropped its event, and nothing else is repeated."""

from decimal import Decimal
from typing import Any, cast
from unittest.mock import Mock
from uuid import UUID

import pytest
from contracts.refusals import Refusal
from contracts.session.approval import DecideApproval
from contracts.session.archive import CompleteArchive, CompleteUnarchive, FailUnarchive
from contracts.session.fork import CompleteFork, FailFork
from contracts.session.quota import GetUsage
from contracts.session.release import ReleaseRun
from contracts.session.run import CancelRun, EndRun, GetRun, StartRun
from contracts.session.run_view import RunView
from contracts.session.session import DeleteSession, GetSession
from contracts.session.values import Usage
from eventing import leases
from eventing.database import Database
from eventing.leases import Leases
from eventing.recording import Recorded
from eventing.relay import Relay
from eventing.testing import background, eventually
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import jetstream
from runtime.clock import now
from session.app import service
from session.reactions.archive import end_archived_agent

from services.session.tests.deployment import Deployment
from services.session.tests.desk import OWNER, Desk
from services.session.tests.file_jobs import (
    ARCHIVE_REQUESTED,
    ARCHIVE_SESSION,
    FORK_ID,
    FORK_SESSION,
    PARENT_ID,
    RESUME_SESSION,
    SESSION_FORKED,
    FileJobs,
)
from services.session.tests.test_concurrent_runs import wait_for_approval


async def unfinished(desk: Desk) -> list[tuple[str, UUID]]:
    """Return the unfinished work as pairs of a reaction and a session."""
    found: list[tuple[str, UUID]] = []
    for name, reaction in service.reactions.by_name.items():
        if reaction.unfinished:
            rows = await desk.dispatcher.database.fetch(reaction.unfinished.statement)
            found += [(name, row["aggregate"]) for row in rows]
    return found


async def test_a_run_is_unfinished_from_its_request_to_its_end(desk: Desk) -> None:
    session_id = await desk.create()
    run = await desk.submit(session_id)
    await desk.submit(session_id, "enqueue")
    assert await unfinished(desk) == [("run_agent", session_id)]
    await desk.send(StartRun(session_id=session_id, run_id=run.id))
    assert await unfinished(desk) == [("run_agent", session_id)]
    await desk.send(EndRun(session_id=session_id, run_id=run.id, attempt=1))
    assert await unfinished(desk) == [("run_agent", session_id)]  # the queued run has started


async def test_a_cancelled_run_is_not_unfinished(desk: Desk) -> None:
    run = await desk.submit(await desk.create())
    await desk.send(CancelRun(session_id=run.session_id, run_id=run.id))
    assert await unfinished(desk) == []


RELEASED_USAGE = Usage(input_tokens=5, cost_usd=Decimal("0.5"))


async def release(desk: Desk) -> tuple[RunView, UUID]:
    """Release a run that waits for an approval."""
    run = await desk.submit(await desk.create())
    approval = await wait_for_approval(desk, run)
    await desk.send(ReleaseRun(session_id=run.session_id, run_id=run.id, attempt=1, usage=RELEASED_USAGE))
    return run, approval


async def test_a_released_run_is_unfinished_again_once_it_is_decided(desk: Desk) -> None:
    run, approval = await release(desk)
    assert await unfinished(desk) == []
    await desk.send(DecideApproval(approval_id=approval, decision="approved"))
    assert await unfinished(desk) == [("continue_run", run.session_id)]
    await desk.send(StartRun(session_id=run.session_id, run_id=run.id))
    assert await unfinished(desk) == [("continue_run", run.session_id)]
    await desk.send(EndRun(session_id=run.session_id, run_id=run.id, attempt=2))
    assert await unfinished(desk) == []


async def test_a_late_start_of_a_released_run_hides_it_from_no_search(desk: Desk) -> None:
    run, approval = await release(desk)
    with pytest.raises(Refusal, match="waits for approvals"):
        await desk.send(StartRun(session_id=run.session_id, run_id=run.id))
    await desk.send(DecideApproval(approval_id=approval, decision="approved"))
    assert await unfinished(desk) == [("continue_run", run.session_id)]


@pytest.mark.usefixtures("one_moment")
@pytest.mark.parametrize("cancelled", [False, True], ids=["ended", "cancelled"])
async def test_the_usage_of_all_agents_of_a_run_is_counted_once(desk: Desk, cancelled: bool) -> None:
    run, approval = await release(desk)
    await desk.send(DecideApproval(approval_id=approval, decision="approved"))
    await desk.send(StartRun(session_id=run.session_id, run_id=run.id))
    if cancelled:
        await desk.send(CancelRun(session_id=run.session_id, run_id=run.id))
    await desk.send(EndRun(session_id=run.session_id, run_id=run.id, attempt=2, usage=RELEASED_USAGE))
    session, month = (
        await desk.ask(GetSession(session_id=run.session_id)),
        await desk.ask(GetUsage(user_id=OWNER.user_id, role="user")),
    )
    assert (await desk.ask(GetRun(session_id=run.session_id, run_id=run.id))).usage == RELEASED_USAGE + RELEASED_USAGE
    assert (session.total_cost_usd, month.budget_per_month_usd.used) == (Decimal(1), Decimal(1))


async def test_runs_of_a_deleted_session_are_not_unfinished(desk: Desk) -> None:
    run = await desk.submit(await desk.create())
    await desk.send(DeleteSession(session_id=run.session_id))
    assert await unfinished(desk) == []


@pytest.mark.parametrize("ending", [CompleteFork, FailFork])
async def test_a_fork_is_unfinished_until_it_completes_or_fails(desk_after_run: Desk, ending: type[Any]) -> None:
    await desk_after_run.send(FORK_SESSION)
    assert await unfinished(desk_after_run) == [("copy_parent", FORK_ID)]
    await desk_after_run.send(ending.example())
    assert await unfinished(desk_after_run) == []


async def test_an_archive_is_unfinished_while_it_is_packed_or_unpacked(desk_after_run: Desk) -> None:
    await desk_after_run.send(ARCHIVE_SESSION)
    assert await unfinished(desk_after_run) == [("pack_workspace", PARENT_ID)]
    await desk_after_run.send(CompleteArchive.example())
    assert await unfinished(desk_after_run) == []
    await desk_after_run.send(RESUME_SESSION)
    assert await unfinished(desk_after_run) == [("unpack_workspace", PARENT_ID)]
    await desk_after_run.send(FailUnarchive.example())
    assert await unfinished(desk_after_run) == []
    await desk_after_run.send(RESUME_SESSION)
    await desk_after_run.send(CompleteUnarchive.example())
    assert await unfinished(desk_after_run) == []


async def test_a_redelivered_fork_event_does_not_copy_again(desk_after_run: Desk) -> None:
    await desk_after_run.send(FORK_SESSION)
    await desk_after_run.send(CompleteFork.example())
    await desk_after_run.send(ARCHIVE_SESSION.model_copy(update={"session_id": FORK_ID}))
    copying = service.reactions.by_name["copy_parent"]
    redelivered = Recorded(FORK_ID, 1, now(), SESSION_FORKED, Envelope.begin(actor=OWNER), OWNER.user_id)
    assert copying.unfinished
    assert (
        await Leases(desk_after_run.dispatcher.database).acquire(copying.name, copying.unfinished, redelivered) is None
    )


async def test_a_redelivered_archive_event_after_unarchiving_ends_no_agent(jobs: FileJobs) -> None:
    await jobs.archive()
    await jobs.desk.send(RESUME_SESSION)
    await jobs.unpack()
    agents = cast(Any, jobs.dependencies.agents)
    agents.reset_mock()
    await jobs.react(end_archived_agent, PARENT_ID, ARCHIVE_REQUESTED)
    await jobs.pack()
    assert agents.mock_calls == []


async def test_archiving_a_session_ends_its_agent_in_every_replica(jobs: FileJobs) -> None:
    await jobs.archive()
    agents = cast(Any, jobs.dependencies.agents)
    agents.cancel = Mock()
    await jobs.react(end_archived_agent, PARENT_ID, ARCHIVE_REQUESTED)
    agents.cancel.assert_called_once_with(PARENT_ID)


async def test_an_archive_event_of_a_deleted_session_ends_no_agent(jobs: FileJobs) -> None:
    await jobs.delete()
    await jobs.react(end_archived_agent, PARENT_ID, ARCHIVE_REQUESTED)
    cast(Any, jobs.dependencies.agents).call_off.assert_not_called()


async def dropped_by_the_bus(deployment: Deployment, *, begun: bool) -> RunView:
    """Return a run whose request the bus has dropped."""
    async with Database.open(deployment.settings.database_url, service.name) as database:
        desk, js = Desk(database), jetstream(deployment.client.connection)
        run = await desk.submit(await desk.create())
        if begun:
            await desk.send(StartRun(session_id=run.session_id, run_id=run.id))
        relay = Relay(service.store(database), js, service.name)
        async with background(relay.run()):
            await eventually(lambda: database.fetchval("SELECT count(*) FROM relayed"))
        await js.purge_stream(relay.stream)
    return run


@pytest.mark.parametrize(("begun", "attempt"), [(False, 1), (True, 2)])
async def test_a_run_whose_event_the_bus_dropped_still_ends(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, begun: bool, attempt: int
) -> None:
    monkeypatch.setattr(leases, "SWEEP_SECONDS", 0.2)
    run = await dropped_by_the_bus(deployment, begun=begun)
    async with deployment.replica():
        ended = await deployment.client.wait_until_ended(run)
    assert (ended.status, ended.attempt) == ("completed", attempt)
