"""What the facts of a session mean for those who read."""

from uuid import UUID

import pytest
from contracts.refusals import Code, Refusal
from contracts.samples import FORK, MESSAGE, RUN, SESSION
from contracts.session.archives import (
    ArchiveSession,
    CompleteArchive,
    CompleteUnarchive,
    GetArchive,
    UnarchiveSession,
)
from contracts.session.commands import (
    CancelRun,
    CompleteFork,
    CreateSession,
    DeleteSession,
    EndRun,
    ForkSession,
    InterruptSession,
    PauseSession,
    RecordMessage,
    ResumeSession,
    StartRun,
    SubmitQuery,
)
from contracts.session.queries import GetRun, GetSession, ListMessages, ListSessions, ListToolCalls, RunView

from services.session.tests.desk import OWNER, Desk


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


async def test_a_fork_shows_the_messages_of_its_parent_and_is_not_ready(talked: Desk) -> None:
    fork = await talked.send(ForkSession.example())
    assert (fork.is_fork, str(fork.parent_session_id), fork.mode, fork.status) == (True, SESSION, "forked", "created")
    assert (fork.ready, fork.total_messages, fork.total_tool_calls) == (False, 2, 0)
    of_fork = await talked.ask(ListMessages(session_id=fork.id))
    assert of_fork == await talked.ask(ListMessages(session_id=UUID(SESSION)))


async def test_a_completed_fork_is_ready(talked: Desk) -> None:
    await talked.send(ForkSession.example())
    await talked.send(CompleteFork.example())
    assert (await talked.ask(GetSession(session_id=UUID(FORK)))).ready


async def test_an_archive_shows_how_far_it_is(talked: Desk) -> None:
    packing = await talked.send(ArchiveSession.example())
    assert (packing.status, packing.archive_path) == ("packing", f"/archives/{packing.archive_id}.tar.gz")
    await talked.send(CompleteArchive.example())
    ready = await talked.ask(GetArchive.example())
    assert (ready.status, ready.archive_size_bytes, ready.file_count) == ("ready", 1048576, 42)
    await talked.send(UnarchiveSession.example())
    assert (await talked.ask(GetArchive.example())).status == "unpacking"


async def test_a_session_is_archived_until_it_is_opened_again(talked: Desk) -> None:
    states: list[tuple[str, bool]] = []
    for command in (ArchiveSession, CompleteArchive, UnarchiveSession, CompleteUnarchive):
        await talked.send(command.example())
        session = await talked.ask(GetSession(session_id=UUID(SESSION)))
        states.append((session.status, session.ready))
    assert states == [("archived", False), ("archived", True), ("archived", False), ("active", True)]


async def test_an_opened_session_has_no_archive(talked: Desk) -> None:
    for command in (ArchiveSession, CompleteArchive, UnarchiveSession, CompleteUnarchive):
        await talked.send(command.example())
    with pytest.raises(Refusal, match=Code.ARCHIVE_NOT_FOUND):
        await talked.ask(GetArchive.example())


async def test_a_paused_session_is_paused_again_when_its_archive_is_opened(talked: Desk) -> None:
    for command in (PauseSession, ArchiveSession, CompleteArchive, UnarchiveSession, CompleteUnarchive):
        await talked.send(command.example())
    assert await status(talked, UUID(SESSION)) == "paused"
