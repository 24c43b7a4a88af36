"""Approvals expire at their due time, even if no worker waits for them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from contracts.messages import Command
from contracts.samples import APPROVAL, SESSION
from contracts.session.approval import DecideApproval, GetApproval, RequestApproval
from contracts.session.conversation import RecordMessage
from contracts.session.run import CancelRun, StartRun, SubmitQuery
from contracts.session.session import CreateSession, DeleteSession, GetSession
from eventing.due_times import DueTimes
from eventing.testing.due import process_due
from runtime import clock
from session.app import service

from services.session.tests.desk import Desk

BACKFILL = service.migrations / "0012_due_approvals.sql"


@pytest_asyncio.fixture
async def desk_with_approval(desk: Desk) -> Desk:
    """A desk with a session whose agent waits for an approval that is overdue."""
    for command in (CreateSession, SubmitQuery, StartRun, RecordMessage):
        await desk.send(command.example())
    await desk.send(RequestApproval.example().model_copy(update={"expires_at": clock.now()}))
    return desk


def due_times(desk: Desk) -> DueTimes[Any]:
    return DueTimes(service.due, desk.dispatcher)


async def status(desk: Desk) -> tuple[str, str]:
    approval = await desk.ask(GetApproval(approval_id=UUID(APPROVAL)))
    return approval.status, (await desk.ask(GetSession(session_id=UUID(SESSION)))).status


async def test_an_approval_without_a_worker_expires(desk_with_approval: Desk) -> None:
    assert await process_due(due_times(desk_with_approval)) == 1
    assert await status(desk_with_approval) == ("expired", "processing")


async def test_an_expired_approval_has_no_due_time(desk_with_approval: Desk) -> None:
    await process_due(due_times(desk_with_approval))
    assert await desk_with_approval.dispatcher.database.fetchval("SELECT count(*) FROM due") == 0


@pytest.mark.parametrize("ending", [CancelRun.example(), DeleteSession.example()])
async def test_an_approval_of_an_ended_run_does_not_expire(desk_with_approval: Desk, ending: Command[Any]) -> None:
    await desk_with_approval.send(ending)
    assert await process_due(due_times(desk_with_approval)) == 0


async def test_a_decided_approval_does_not_expire(desk: Desk) -> None:
    for command in (CreateSession, SubmitQuery, StartRun, RecordMessage):
        await desk.send(command.example())
    later = clock.now() + timedelta(days=1)
    await desk.send(RequestApproval.example().model_copy(update={"expires_at": later}))
    await desk.send(DecideApproval.example())
    assert await desk.dispatcher.database.fetchval("SELECT count(*) FROM due") == 0


async def test_an_approval_of_an_earlier_release_expires(desk_with_approval: Desk) -> None:
    database = desk_with_approval.dispatcher.database
    await database.execute("DELETE FROM due")
    await database.execute(BACKFILL.read_text())
    await process_due(due_times(desk_with_approval))
    assert await status(desk_with_approval) == ("expired", "processing")
