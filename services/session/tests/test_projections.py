"""What the events of a session mean for those who read."""

from uuid import UUID

import pytest
import pytest_asyncio
from contracts.refusals import Code, Refusal
from contracts.samples import APPROVAL, MESSAGE, RUN, SESSION, USER
from contracts.session.approval import DecideApproval, DeliverDecisions, GetApproval, ListApprovals, RequestApproval
from contracts.session.conversation import ListMessages, ListToolCalls, RecordMessage
from contracts.session.run import CancelRun, EndRun, GetRun, InterruptSession, RunView, StartRun, SubmitQuery
from contracts.session.session import (
    CreateSession,
    DeleteSession,
    GetSession,
    ListSessions,
    PauseSession,
    ResumeSession,
)

from services.session.tests.desk import OWNER, STRANGER, Desk


async def test_a_created_session_is_answered_at_once(desk: Desk) -> None:
    session = await desk.send(CreateSession.example())
    assert (session.status, session.user_id, session.started_at) == ("created", OWNER.user_id, None)
    assert session.working_directory_path == f"/workspaces/{SESSION}"


async def test_a_session_counts_what_happened_in_it(talked: Desk) -> None:
    session = await talked.ask(GetSession(session_id=UUID(SESSION)))
    assert (session.status, session.total_messages, session.total_tool_calls) == ("active", 2, 1)
    assert (session.api_input_tokens, session.api_output_tokens, str(session.total_cost_usd)) == (150, 420, "0.0012")
    assert session.started_at is not None


async def test_a_session_is_processing_while_a_run_goes(desk: Desk) -> None:
    await desk.send(CreateSession.example())
    run = await desk.send(SubmitQuery.example())
    assert run.status == "queued"
    assert (await desk.ask(GetSession(session_id=UUID(SESSION)))).status == "processing"


async def test_a_run_tells_its_answer_its_tool_calls_and_its_usage(talked: Desk) -> None:
    run = await talked.ask(GetRun(session_id=UUID(SESSION), run_id=UUID(RUN)))
    assert (run.status, run.message_id, run.text, run.attempt) == ("completed", UUID(MESSAGE), "Reading it.", 1)
    assert [(call.tool_name, call.status) for call in run.tool_calls] == [("Read", "success")]
    assert run.usage.output_tokens == 420


async def test_a_failed_run_tells_why_and_keeps_what_was_said(desk: Desk) -> None:
    for command in (CreateSession, SubmitQuery, StartRun, RecordMessage):
        await desk.send(command.example())
    failed = EndRun(session_id=UUID(SESSION), run_id=UUID(RUN), error_code=Code.MODEL_ERROR, error_detail="529")
    await desk.send(failed)
    run = await desk.ask(GetRun(session_id=UUID(SESSION), run_id=UUID(RUN)))
    assert (run.status, run.error_code, run.error_detail, run.text) == ("failed", "MODEL_ERROR", "529", "Reading it.")
    assert [call.status for call in run.tool_calls] == ["interrupted"]


async def test_messages_come_in_their_order(talked: Desk) -> None:
    page = await talked.ask(ListMessages(session_id=UUID(SESSION)))
    assert [(m.sequence_number, m.message_type) for m in page.items] == [(1, "user"), (2, "assistant")]
    assert page.items[1].content["content"] == "Reading it."


async def test_tool_calls_tell_input_and_output(talked: Desk) -> None:
    [call] = (await talked.ask(ListToolCalls(session_id=UUID(SESSION)))).items
    assert (call.tool_input, call.tool_output) == ({"file_path": "/workspace/a"}, {"content": "hello"})


async def status(desk: Desk, session_id: UUID) -> str:
    return (await desk.ask(GetSession(session_id=session_id))).status


async def now(desk: Desk, run: RunView) -> RunView:
    return await desk.ask(GetRun(session_id=run.session_id, run_id=run.id))


async def test_a_run_that_waits_is_queued_and_its_message_is_not_said_yet(desk: Desk) -> None:
    session_id = await desk.create()
    await desk.submit(session_id)
    waiting = await desk.submit(session_id, "enqueue")
    assert (waiting.status, waiting.ended_at) == ("queued", None)
    assert (await desk.ask(ListMessages(session_id=session_id))).total == 1


async def test_the_run_that_follows_keeps_the_session_processing_and_says_its_message(desk: Desk) -> None:
    session_id = await desk.create()
    await desk.submit(session_id)
    waiting = await desk.submit(session_id, "enqueue")
    assert (await desk.send(InterruptSession(session_id=session_id))).status == "processing"
    page = await desk.ask(ListMessages(session_id=session_id))
    assert [message.sequence_number for message in page.items if message.run_id == waiting.id] == [2]


async def test_a_cancelled_run_tells_that_and_keeps_what_was_said(desk: Desk) -> None:
    for command in (CreateSession, SubmitQuery, StartRun, RecordMessage):
        await desk.send(command.example())
    run = await desk.send(CancelRun.example())
    assert (run.status, run.error_code, run.error_detail) == ("cancelled", "RUN_CANCELLED", "The run was cancelled.")
    assert (run.text, [call.status for call in run.tool_calls]) == ("Reading it.", ["interrupted"])
    assert await status(desk, run.session_id) == "active"


async def test_what_a_cancelled_run_used_is_added_to_its_session(desk: Desk) -> None:
    for command in (CreateSession, SubmitQuery, StartRun, CancelRun, EndRun):
        await desk.send(command.example())
    run, session = await desk.ask(GetRun.example()), await desk.ask(GetSession.example())
    assert (run.status, run.usage) == ("cancelled", EndRun.example().usage)
    assert (session.status, session.total_cost_usd) == ("active", run.usage.cost_usd)


async def test_cancelling_a_run_that_waits_leaves_the_session_processing(desk: Desk) -> None:
    session_id = await desk.create()
    await desk.submit(session_id)
    waiting = await desk.submit(session_id, "enqueue")
    assert (await desk.send(CancelRun(session_id=session_id, run_id=waiting.id))).status == "cancelled"
    assert await status(desk, session_id) == "processing"


async def test_a_session_stays_paused_when_its_run_ends(desk: Desk) -> None:
    session_id = await desk.create()
    run = await desk.submit(session_id)
    assert (await desk.send(PauseSession(session_id=session_id))).status == "paused"
    await desk.send(EndRun(session_id=session_id, run_id=run.id))
    assert ((await now(desk, run)).status, await status(desk, session_id)) == ("completed", "paused")


async def test_a_session_that_is_resumed_is_what_it_was_before(desk: Desk) -> None:
    session_id = await desk.create()
    for expected in ("created", "processing", "processing"):
        await desk.send(PauseSession(session_id=session_id))
        assert (await desk.send(ResumeSession(session_id=session_id))).status == expected
        if expected == "created":
            await desk.submit(session_id)


async def test_resuming_begins_what_waits(desk: Desk) -> None:
    session_id = await desk.create()
    await desk.send(PauseSession(session_id=session_id))
    waiting = await desk.submit(session_id, "enqueue")
    assert await status(desk, session_id) == "paused"
    assert (await desk.send(ResumeSession(session_id=session_id))).status == "processing"
    assert (await desk.send(StartRun(session_id=session_id, run_id=waiting.id))).status == "running"


async def test_a_deleted_session_is_gone_from_all_reads(talked: Desk) -> None:
    await talked.send(DeleteSession.example())
    with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
        await talked.ask(GetSession(session_id=UUID(SESSION)))
    assert (await talked.ask(ListSessions())).total == 0


@pytest_asyncio.fixture
async def asked(desk: Desk) -> Desk:
    """A session whose agent waits for an approval."""
    for command in (CreateSession, SubmitQuery, StartRun, RecordMessage):
        await desk.send(command.example())
    await desk.send(RequestApproval.model_validate(RequestApproval.sample | {"expires_at": "2999-01-01T00:00:00Z"}))
    return desk


async def statuses(desk: Desk) -> tuple[str, str]:
    session = await desk.ask(GetSession(session_id=UUID(SESSION)))
    return session.status, (await desk.ask(GetRun(session_id=UUID(SESSION), run_id=UUID(RUN)))).status


async def test_a_session_waits_while_an_approval_is_pending(asked: Desk) -> None:
    approval = await asked.ask(GetApproval(approval_id=UUID(APPROVAL)))
    assert (approval.status, approval.tool_name, approval.decided_at) == ("pending", "Read", None)
    assert await statuses(asked) == ("waiting", "waiting_approval")


async def test_a_decided_approval_tells_how_and_the_session_goes_on(asked: Desk) -> None:
    approval = await asked.send(DecideApproval.example())
    assert (approval.status, approval.decided_by, approval.message) == ("denied", UUID(USER), "Not in this folder.")
    assert (approval.remember, approval.delivered) == ("once", False)
    assert await statuses(asked) == ("processing", "running")


async def test_an_approval_is_decided_by_its_id_alone(asked: Desk) -> None:
    decided = DecideApproval(approval_id=UUID(APPROVAL), decision="approved")
    assert (await asked.send(decided)).status == "approved"


async def test_an_approval_of_another_user_is_not_found_by_its_id(asked: Desk) -> None:
    with pytest.raises(Refusal, match=Code.APPROVAL_NOT_FOUND):
        await asked.send(DecideApproval(approval_id=UUID(APPROVAL), decision="approved"), STRANGER)


async def test_a_delivered_decision_is_told(asked: Desk) -> None:
    await asked.send(DecideApproval.example())
    await asked.send(DeliverDecisions.example())
    assert (await asked.ask(GetApproval(approval_id=UUID(APPROVAL)))).delivered


async def test_a_run_taken_up_again_still_waits(asked: Desk) -> None:
    run = await asked.send(StartRun.example())
    assert (run.status, run.attempt) == ("waiting_approval", 2)


async def test_a_run_that_ends_leaves_nothing_pending(asked: Desk) -> None:
    await asked.send(EndRun(session_id=UUID(SESSION), run_id=UUID(RUN), error_code=Code.RUN_TIMEOUT))
    assert (await asked.ask(ListApprovals(status="pending"))).total == 0
    assert await statuses(asked) == ("active", "failed")


async def test_approvals_go_with_their_session(asked: Desk) -> None:
    await asked.send(DeleteSession.example())
    assert (await asked.ask(ListApprovals())).total == 0


async def test_a_session_stays_paused_whatever_becomes_of_its_approvals(asked: Desk) -> None:
    paused = await asked.send(PauseSession(session_id=UUID(SESSION)))
    assert (paused.status, await statuses(asked)) == ("paused", ("paused", "waiting_approval"))
    await asked.send(StartRun.example())
    assert await statuses(asked) == ("paused", "waiting_approval")
    await asked.send(DecideApproval.example())
    assert await statuses(asked) == ("paused", "running")


async def test_an_agent_that_asks_in_a_paused_session_leaves_it_paused_until_it_is_resumed(desk: Desk) -> None:
    for command in (CreateSession, SubmitQuery, StartRun, PauseSession, RequestApproval):
        await desk.send(command.example())
    assert await statuses(desk) == ("paused", "waiting_approval")
    assert (await desk.send(ResumeSession(session_id=UUID(SESSION)))).status == "waiting"


async def test_a_cancelled_run_leaves_nothing_pending_and_the_next_one_goes(asked: Desk) -> None:
    await asked.submit(UUID(SESSION), "enqueue")
    await asked.send(CancelRun.example())
    assert (await asked.ask(ListApprovals(status="pending"))).total == 0
    assert await statuses(asked) == ("processing", "cancelled")
