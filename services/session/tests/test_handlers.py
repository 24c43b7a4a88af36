"""The command handlers of the session service, on a store in memory."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Actor, Query
from contracts.refusals import Code, Refusal
from contracts.samples import SESSION, USER
from contracts.session.approval import (
    ApprovalDecided,
    ApprovalView,
    DecideApproval,
    DeliverDecisions,
    ExpireApproval,
    GetApproval,
    RequestApproval,
)
from contracts.session.archive import ArchiveSession, CompleteArchive, CompleteUnarchive, FailArchive, FailUnarchive
from contracts.session.conversation import ListMessageIds, RecordMessage, RecordToolResult
from contracts.session.fork import CompleteFork, FailFork, ForkSession
from contracts.session.quota import Allowance, GetAllowance, GetRunCharge
from contracts.session.run import CancelRun, EndRun, GetRunSummary, InterruptSession, StartRun, SubmitQuery
from contracts.session.session import CreateSession, DeleteSession, PauseSession, ResumeSession
from contracts.session.values import SdkOptions
from contracts.session.workspace import DeleteFile, DiscardUpload, UploadPart, WriteFile
from eventing.handling import UnitOfWork
from eventing.handling.locks import Locks
from eventing.store import START
from eventing.store.memory import MemoryStore
from runtime.bus.envelope import Envelope
from runtime.clock import new_id
from session.aggregate import Session, SessionTemplate
from session.handlers import handles

from services.session.tests.desk import OfferedModels

OWNER = Actor(user_id=UUID(USER), role="user")
STRANGER = Actor(user_id=UUID(SESSION), role="user")
ADMIN = Actor(user_id=UUID(SESSION), role="admin")


class MemoryDesk:
    """The command handlers on a store in memory."""

    def __init__(self) -> None:
        self.store = MemoryStore({**Session.events, **SessionTemplate.events})

    async def ask(self, query: Query[Any], envelope: Envelope) -> Any:
        """Answer like read models that contain one run, one approval and no message, and without quotas."""
        approval = ApprovalView.model_construct(session_id=UUID(SESSION))
        answers: dict[type[Query[Any]], Any] = {GetRunSummary: None, GetApproval: approval, ListMessageIds: []}
        answers |= {GetAllowance: Allowance(), GetRunCharge: Decimal(0)}
        return answers[type(query)]

    async def put(self, command: Any, actor: Actor = OWNER) -> Any:
        envelope = Envelope.begin(actor=actor)
        async with UnitOfWork[Any](self.store, envelope, OfferedModels(), Locks(), self.ask) as work:
            return await handles.by_type[type(command)](command, work)

    async def events(self) -> list[str]:
        subjects = [entry.recorded.event.subject for entry in await self.store.feed(START, 100)]
        return [subject.removeprefix("evt.session.") for subject in subjects]


@pytest.fixture
async def desk() -> MemoryDesk:
    desk = MemoryDesk()
    await desk.put(CreateSession.example())
    return desk


async def test_creating_records_the_actor_as_owner(desk: MemoryDesk) -> None:
    session = await desk.store.load(Session, UUID(SESSION))
    assert session.user_id == OWNER.user_id


async def test_a_conversation_is_recorded_in_order(desk: MemoryDesk) -> None:
    await desk.put(SubmitQuery.example())
    await desk.put(StartRun.example())
    await desk.put(RecordMessage.example())
    await desk.put(RecordToolResult.example())
    await desk.put(EndRun.example())
    assert await desk.events() == [
        "created",
        "run_requested",
        "run_started",
        "message_recorded",
        "tool_call_started",
        "tool_call_ended",
        "run_completed",
    ]


async def test_the_end_of_a_run_and_the_start_of_the_next_are_one_append(desk: MemoryDesk) -> None:
    await desk.put(SubmitQuery.example())
    queued = {"run_id": new_id(), "message_id": new_id(), "on_busy": "enqueue"}
    await desk.put(SubmitQuery.model_validate(SubmitQuery.sample | queued))
    await desk.put(InterruptSession.example())
    assert await desk.events() == ["created", "run_requested", "run_queued", "run_cancelled", "run_requested"]
    assert len({entry.recorded.envelope.message_id for entry in desk.store.entries[-2:]}) == 1


@pytest.mark.parametrize(
    "command",
    [
        SubmitQuery.example(),
        StartRun.example(),
        RecordMessage.example(),
        RecordToolResult.example(),
        RequestApproval.example(),
        DecideApproval.example(),
        DeliverDecisions.example(),
        ExpireApproval.example(),
        EndRun.example(),
        CancelRun.example(),
        InterruptSession.example(),
        PauseSession.example(),
        ResumeSession.example(),
        DeleteSession.example(),
        ForkSession.example(),
        CompleteFork.example(),
        FailFork.example(),
        ArchiveSession.example(),
        CompleteArchive.example(),
        FailArchive.example(),
        CompleteUnarchive.example(),
        FailUnarchive.example(),
        UploadPart.example(),
        DiscardUpload.example(),
        WriteFile.example(),
        DeleteFile.example(),
    ],
)
async def test_another_users_session_is_not_found(desk: MemoryDesk, command: Any) -> None:
    with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
        await desk.put(command, STRANGER)
    assert await desk.events() == ["created"]


async def test_an_admin_may_delete_another_users_session(desk: MemoryDesk) -> None:
    await desk.put(DeleteSession.example(), ADMIN)
    assert await desk.events() == ["created", "deleted"]


async def test_a_deleted_session_is_not_found(desk: MemoryDesk) -> None:
    await desk.put(DeleteSession.example())
    with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
        await desk.put(SubmitQuery.example())


async def test_an_unknown_session_is_not_found(desk: MemoryDesk) -> None:
    with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
        await desk.put(DeleteSession(session_id=new_id()))


BYPASSING = CreateSession(
    session_id=new_id(),
    name="one",
    mode="interactive",
    sdk_options=SdkOptions(permission_mode="bypassPermissions"),
)


async def test_only_admins_may_bypass_permissions(desk: MemoryDesk) -> None:
    with pytest.raises(Refusal, match=Code.ADMINS_ONLY):
        await desk.put(BYPASSING)
    await desk.put(BYPASSING, ADMIN)
    assert await desk.events() == ["created", "created"]


async def test_an_unknown_template_is_not_found(desk: MemoryDesk) -> None:
    command = CreateSession.example().model_copy(update={"template_id": new_id()})
    with pytest.raises(Refusal, match=Code.TEMPLATE_NOT_FOUND):
        await desk.put(command)


async def request_approval(desk: MemoryDesk) -> None:
    """Start a run whose agent waits for an approval."""
    request = RequestApproval.model_validate(RequestApproval.sample | {"expires_at": "2999-01-01T00:00:00Z"})
    await desk.put(SubmitQuery.example())
    await desk.put(StartRun.example())
    assert await desk.put(request) is None


@pytest.mark.parametrize("actor", [OWNER, ADMIN])
async def test_a_decision_is_recorded_for_its_user_and_delivered(desk: MemoryDesk, actor: Actor) -> None:
    await request_approval(desk)
    await desk.put(DecideApproval.example(), actor)
    [outcome] = await desk.put(DeliverDecisions.example())
    assert (outcome.decision, outcome.message) == ("denied", "Not in this folder.")
    decided = await desk.store.latest(ApprovalDecided, UUID(SESSION))
    assert decided
    assert decided.event.decided_by == actor.user_id


async def test_a_second_decision_is_refused(desk: MemoryDesk) -> None:
    await request_approval(desk)
    await desk.put(DecideApproval.example())
    with pytest.raises(Refusal, match=Code.APPROVAL_OVER):
        await desk.put(DecideApproval.example())


async def test_a_fork_belongs_to_the_user_who_requested_it(desk: MemoryDesk) -> None:
    command = ForkSession.example()
    await desk.put(command, ADMIN)
    fork = await desk.store.load(Session, command.fork_id)
    assert (fork.user_id, fork.phase) == (ADMIN.user_id, "copying")


async def test_a_session_is_archived_and_unarchived(desk: MemoryDesk) -> None:
    await desk.put(ArchiveSession.example())
    await desk.put(CompleteArchive.example())
    await desk.put(ResumeSession.example())
    await desk.put(CompleteUnarchive.example())
    assert await desk.events() == ["created", "archive_requested", "archived", "unarchive_requested", "unarchived"]


@pytest.mark.parametrize(
    "command",
    [
        UploadPart.example(),
        DiscardUpload.example(),
        WriteFile.example(),
        DeleteFile.example(),
    ],
)
async def test_files_of_an_archived_session_cannot_be_changed(desk: MemoryDesk, command: Any) -> None:
    await desk.put(ArchiveSession.example())
    with pytest.raises(Refusal, match=Code.SESSION_ARCHIVED):
        await desk.put(command)
