"""The read models of sessions, runs, messages and approvals."""

from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from contracts.refusals import Code, Refusal
from contracts.samples import APPROVAL, MESSAGE, RUN, SESSION, TOOL_CALL, USER
from contracts.session.approval import (
    DecideApproval,
    DeliverDecisions,
    ExpireApproval,
    GetApproval,
    ListApprovals,
    RequestApproval,
)
from contracts.session.conversation import GetToolCall, ListMessages, ListToolCalls, RecordMessage, RecordToolResult
from contracts.session.run import CancelRun, EndRun, GetRun, InterruptSession, StartRun, SubmitQuery
from contracts.session.run_view import RunView
from contracts.session.session import (
    CreateSession,
    DeleteSession,
    GetSession,
    ListSessions,
    PauseSession,
    ResumeSession,
)

from services.session.tests.desk import OWNER, STRANGER, Desk


async def test_creating_a_session_returns_its_view(desk: Desk) -> None:
    session = await desk.send(CreateSession.example())
    assert (session.status, session.user_id, session.started_at) == ("created", OWNER.user_id, None)
    assert session.working_directory_path == f"/workspaces/{SESSION}"


async def test_a_session_shows_the_totals_of_its_runs(desk_after_run: Desk) -> None:
    session = await desk_after_run.ask(GetSession(session_id=UUID(SESSION)))
    assert (session.status, session.total_messages, session.total_tool_calls) == ("active", 2, 1)
    assert (session.api_input_tokens, session.api_output_tokens, str(session.total_cost_usd)) == (150, 420, "0.0012")
    assert session.started_at is not None


async def test_a_session_is_processing_during_a_run(desk: Desk) -> None:
    await desk.send(CreateSession.example())
    run = await desk.send(SubmitQuery.example())
    assert run.status == "queued"
    assert (await desk.ask(GetSession(session_id=UUID(SESSION)))).status == "processing"


async def test_a_run_shows_its_answer_tool_calls_and_usage(desk_after_run: Desk) -> None:
    run = await desk_after_run.ask(GetRun(session_id=UUID(SESSION), run_id=UUID(RUN)))
    assert (run.status, run.message_id, run.text, run.attempt) == ("completed", UUID(MESSAGE), "Reading it.", 1)
    assert [(call.tool_name, call.status) for call in run.tool_calls] == [("Read", "success")]
    assert run.usage.output_tokens == 420


async def test_a_failed_run_shows_the_error_and_keeps_its_messages(desk: Desk) -> None:
    for command in (CreateSession, SubmitQuery, StartRun, RecordMessage):
        await desk.send(command.example())
    failed = EndRun(session_id=UUID(SESSION), run_id=UUID(RUN), error_code=Code.MODEL_ERROR, error_detail="529")
    await desk.send(failed)
    run = await desk.ask(GetRun(session_id=UUID(SESSION), run_id=UUID(RUN)))
    assert (run.status, run.error_code, run.error_detail, run.text) == ("failed", "MODEL_ERROR", "529", "Reading it.")
    assert [call.status for call in run.tool_calls] == ["interrupted"]


async def test_messages_are_listed_in_order(desk_after_run: Desk) -> None:
    page = await desk_after_run.ask(ListMessages(session_id=UUID(SESSION)))
    assert [(m.sequence_number, m.message_type) for m in page.items] == [(1, "user"), (2, "assistant")]
    assert page.items[1].content["content"] == "Reading it."


async def test_tool_calls_show_input_and_output(desk_after_run: Desk) -> None:
    [call] = (await desk_after_run.ask(ListToolCalls(session_id=UUID(SESSION)))).items
    assert (call.tool_input, call.tool_output) == ({"file_path": "/workspace/a"}, {"content": "hello"})


async def status(desk: Desk, session_id: UUID) -> str:
    return (await desk.ask(GetSession(session_id=session_id))).status


async def current(desk: Desk, run: RunView) -> RunView:
    return await desk.ask(GetRun(session_id=run.session_id, run_id=run.id))


async def test_the_message_of_a_queued_run_is_not_listed_yet(desk: Desk) -> None:
    session_id = await desk.create()
    await desk.submit(session_id)
    queued = await desk.submit(session_id, "enqueue")
    assert (queued.status, queued.ended_at) == ("queued", None)
    assert (await desk.ask(ListMessages(session_id=session_id))).total == 1


async def test_the_next_run_keeps_the_session_processing(desk: Desk) -> None:
    session_id = await desk.create()
    await desk.submit(session_id)
    queued = await desk.submit(session_id, "enqueue")
    assert (await desk.send(InterruptSession(session_id=session_id))).status == "processing"
    page = await desk.ask(ListMessages(session_id=session_id))
    assert [message.sequence_number for message in page.items if message.run_id == queued.id] == [2]


async def test_a_cancelled_run_shows_so_and_keeps_its_messages(desk: Desk) -> None:
    for command in (CreateSession, SubmitQuery, StartRun, RecordMessage):
        await desk.send(command.example())
    run = await desk.send(CancelRun.example())
    assert (run.status, run.error_code, run.error_detail) == ("cancelled", "RUN_CANCELLED", "The run was cancelled.")
    assert (run.text, [call.status for call in run.tool_calls]) == ("Reading it.", ["interrupted"])
    assert await status(desk, run.session_id) == "active"


async def test_the_usage_of_a_cancelled_run_is_added_to_its_session(desk: Desk) -> None:
    for command in (CreateSession, SubmitQuery, StartRun, CancelRun, EndRun):
        await desk.send(command.example())
    run, session = await desk.ask(GetRun.example()), await desk.ask(GetSession.example())
    assert (run.status, run.usage) == ("cancelled", EndRun.example().usage)
    assert (session.status, session.total_cost_usd) == ("active", run.usage.cost_usd)


async def test_a_run_that_is_cancelled_before_its_submission_never_executes(desk: Desk) -> None:
    session = await desk.send(CreateSession.example())
    with pytest.raises(Refusal) as unknown:
        await desk.send(CancelRun(session_id=session.id, run_id=UUID(RUN), in_advance=True))
    with pytest.raises(Refusal) as over:
        await desk.send(SubmitQuery.example())
    assert (unknown.value.code, over.value.code) == (Code.RUN_NOT_FOUND, Code.RUN_OVER)
    assert await desk.ask(GetSession.example()) == session
    assert await desk.dispatcher.database.fetchval("SELECT count(*) FROM costs") == 0


async def test_an_unknown_run_cannot_be_cancelled_and_may_be_submitted(desk: Desk) -> None:
    await desk.send(CreateSession.example())
    with pytest.raises(Refusal) as unknown:
        await desk.send(CancelRun.example())
    assert unknown.value.code == Code.RUN_NOT_FOUND
    assert (await desk.send(SubmitQuery.example())).status == "queued"


async def test_cancelling_a_queued_run_leaves_the_session_processing(desk: Desk) -> None:
    session_id = await desk.create()
    await desk.submit(session_id)
    queued = await desk.submit(session_id, "enqueue")
    assert (await desk.send(CancelRun(session_id=session_id, run_id=queued.id))).status == "cancelled"
    assert await status(desk, session_id) == "processing"


async def test_a_session_stays_paused_when_its_run_ends(desk: Desk) -> None:
    session_id = await desk.create()
    run = await desk.submit(session_id)
    assert (await desk.send(PauseSession(session_id=session_id))).status == "paused"
    await desk.send(EndRun(session_id=session_id, run_id=run.id))
    assert ((await current(desk, run)).status, await status(desk, session_id)) == ("completed", "paused")


async def test_a_resumed_session_has_its_previous_status(desk: Desk) -> None:
    session_id = await desk.create()
    for expected in ("created", "processing", "processing"):
        await desk.send(PauseSession(session_id=session_id))
        assert (await desk.send(ResumeSession(session_id=session_id))).status == expected
        if expected == "created":
            await desk.submit(session_id)


async def test_resuming_a_session_starts_the_queued_run(desk: Desk) -> None:
    session_id = await desk.create()
    await desk.send(PauseSession(session_id=session_id))
    queued = await desk.submit(session_id, "enqueue")
    assert await status(desk, session_id) == "paused"
    assert (await desk.send(ResumeSession(session_id=session_id))).status == "processing"
    assert (await desk.send(StartRun(session_id=session_id, run_id=queued.id))).status == "running"


async def test_a_deleted_session_is_neither_found_nor_listed(desk_after_run: Desk) -> None:
    await desk_after_run.send(DeleteSession.example())
    with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
        await desk_after_run.ask(GetSession(session_id=UUID(SESSION)))
    assert (await desk_after_run.ask(ListSessions())).total == 0


@pytest_asyncio.fixture
async def desk_with_approval(desk: Desk) -> Desk:
    """A desk with a session whose agent waits for an approval."""
    for command in (CreateSession, SubmitQuery, StartRun, RecordMessage):
        await desk.send(command.example())
    await desk.send(RequestApproval.model_validate(RequestApproval.sample | {"expires_at": "2999-01-01T00:00:00Z"}))
    return desk


async def statuses(desk: Desk) -> tuple[str, str]:
    session = await desk.ask(GetSession(session_id=UUID(SESSION)))
    return session.status, (await desk.ask(GetRun(session_id=UUID(SESSION), run_id=UUID(RUN)))).status


async def test_a_session_is_waiting_while_an_approval_is_pending(desk_with_approval: Desk) -> None:
    approval = await desk_with_approval.ask(GetApproval(approval_id=UUID(APPROVAL)))
    assert (approval.status, approval.tool_name, approval.decided_at) == ("pending", "Read", None)
    assert await statuses(desk_with_approval) == ("waiting", "waiting_approval")


async def test_a_decided_approval_shows_the_decision_and_the_run_continues(desk_with_approval: Desk) -> None:
    approval = await desk_with_approval.send(DecideApproval.example())
    assert (approval.status, approval.decided_by, approval.message) == ("denied", UUID(USER), "Not in this folder.")
    assert (approval.remember, approval.delivered) == ("once", False)
    assert await statuses(desk_with_approval) == ("processing", "running")


async def call_status(desk: Desk) -> str:
    return (await desk.ask(GetToolCall(session_id=UUID(SESSION), tool_call_id=UUID(TOOL_CALL)))).status


async def test_a_tool_call_waits_while_its_approval_is_pending(desk_with_approval: Desk) -> None:
    assert await call_status(desk_with_approval) == "waiting_approval"


@pytest.mark.parametrize(("decision", "status"), [("approved", "running"), ("denied", "denied")])
async def test_a_decided_tool_call_runs_or_is_denied(desk_with_approval: Desk, decision: Any, status: str) -> None:
    await desk_with_approval.send(DecideApproval(approval_id=UUID(APPROVAL), decision=decision))
    assert await call_status(desk_with_approval) == status


async def test_a_tool_call_whose_approval_expires_is_denied(desk_with_approval: Desk) -> None:
    await desk_with_approval.send(ExpireApproval.example())
    assert await call_status(desk_with_approval) == "denied"


async def test_a_waiting_tool_call_of_a_cancelled_run_is_interrupted(desk_with_approval: Desk) -> None:
    await desk_with_approval.send(CancelRun.example())
    assert await call_status(desk_with_approval) == "interrupted"


async def test_a_denied_tool_call_stays_denied_with_its_result(desk_with_approval: Desk) -> None:
    await desk_with_approval.send(DecideApproval.example())
    await desk_with_approval.send(RecordToolResult.example().model_copy(update={"is_error": True, "denied": True}))
    assert await call_status(desk_with_approval) == "denied"


async def test_an_approval_can_be_decided_by_its_id_alone(desk_with_approval: Desk) -> None:
    decided = DecideApproval(approval_id=UUID(APPROVAL), decision="approved")
    assert (await desk_with_approval.send(decided)).status == "approved"


async def test_another_users_approval_is_not_found_by_its_id(desk_with_approval: Desk) -> None:
    with pytest.raises(Refusal, match=Code.APPROVAL_NOT_FOUND):
        await desk_with_approval.send(DecideApproval(approval_id=UUID(APPROVAL), decision="approved"), STRANGER)


async def test_a_delivered_decision_is_shown_as_delivered(desk_with_approval: Desk) -> None:
    await desk_with_approval.send(DecideApproval.example())
    await desk_with_approval.send(DeliverDecisions.example())
    assert (await desk_with_approval.ask(GetApproval(approval_id=UUID(APPROVAL)))).delivered


async def test_a_restarted_run_still_waits_for_its_approval(desk_with_approval: Desk) -> None:
    run = await desk_with_approval.send(StartRun.example())
    assert (run.status, run.attempt) == ("waiting_approval", 2)


async def test_an_ended_run_has_no_pending_approval(desk_with_approval: Desk) -> None:
    await desk_with_approval.send(EndRun(session_id=UUID(SESSION), run_id=UUID(RUN), error_code=Code.RUN_TIMEOUT))
    assert (await desk_with_approval.ask(ListApprovals(status="pending"))).total == 0
    assert await statuses(desk_with_approval) == ("active", "failed")


async def test_approvals_are_deleted_with_their_session(desk_with_approval: Desk) -> None:
    await desk_with_approval.send(DeleteSession.example())
    assert (await desk_with_approval.ask(ListApprovals())).total == 0


async def test_approvals_do_not_change_the_status_of_a_paused_session(desk_with_approval: Desk) -> None:
    paused = await desk_with_approval.send(PauseSession(session_id=UUID(SESSION)))
    assert (paused.status, await statuses(desk_with_approval)) == ("paused", ("paused", "waiting_approval"))
    await desk_with_approval.send(StartRun.example())
    assert await statuses(desk_with_approval) == ("paused", "waiting_approval")
    await desk_with_approval.send(DecideApproval.example())
    assert await statuses(desk_with_approval) == ("paused", "running")


async def test_a_session_paused_during_an_approval_is_waiting_once_resumed(desk: Desk) -> None:
    for command in (CreateSession, SubmitQuery, StartRun, PauseSession, RequestApproval):
        await desk.send(command.example())
    assert await statuses(desk) == ("paused", "waiting_approval")
    assert (await desk.send(ResumeSession(session_id=UUID(SESSION)))).status == "waiting"


async def test_cancelling_a_waiting_run_starts_the_next(desk_with_approval: Desk) -> None:
    await desk_with_approval.submit(UUID(SESSION), "enqueue")
    await desk_with_approval.send(CancelRun.example())
    assert (await desk_with_approval.ask(ListApprovals(status="pending"))).total == 0
    assert await statuses(desk_with_approval) == ("processing", "cancelled")
