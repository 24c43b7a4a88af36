"""Fencing of transcripts: only the agent of the latest run may append, and no agent once another party ended it."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from contracts.session.approval import RequestApproval
from contracts.session.conversation import RecordMessage
from contracts.session.run import CancelRun, EndRun, StartRun
from contracts.session.run_view import RunSummary
from contracts.session.session import DeleteSession
from contracts.session.values import ToolUseBlock
from eventing.testing import eventually
from runtime.clock import new_id, now
from session.agent.transcript import APPEND, Transcript, Transcripts, WriterReplaced

from services.session.tests.desk import Desk
from services.session.tests.test_transcript import entry, load

CALL = ToolUseBlock(id="toolu_1", tool_call_id=new_id(), name="Bash", input={})


async def test_entries_after_the_deletion_of_a_session_are_refused(desk: Desk) -> None:
    transcripts, transcript, run = await start_agent(desk)
    await transcript.append("", [entry("a")])
    await desk.send(DeleteSession(session_id=run.session_id))
    await transcripts.delete_session(run.session_id)
    with pytest.raises(WriterReplaced):
        await transcript.append("", [entry("b")])
    assert await load(transcript) is None


async def start_agent(desk: Desk) -> tuple[Transcripts, Transcript, RunSummary]:
    """Start a run, and return the transcript as opened by its agent."""
    transcripts, run = Transcripts(desk.dispatcher.database), await start(desk, await desk.create())
    return transcripts, opened(transcripts, run), run


async def start(desk: Desk, session_id: UUID) -> RunSummary:
    run = await desk.submit(session_id)
    return await desk.send(StartRun(session_id=session_id, run_id=run.id))


def opened(transcripts: Transcripts, run: RunSummary) -> Transcript:
    transcript = transcripts.open(run.session_id)
    transcript.set_writer(run.id, run.attempt)
    return transcript


async def end(desk: Desk, run: RunSummary) -> None:
    await desk.send(EndRun(session_id=run.session_id, run_id=run.id, attempt=run.attempt))


async def test_entries_after_a_takeover_of_the_run_are_refused(desk: Desk) -> None:
    _, transcript, run = await start_agent(desk)
    await transcript.append("", [entry("a")])
    await desk.send(StartRun(session_id=run.session_id, run_id=run.id))  # this interrupts the run
    with pytest.raises(WriterReplaced):
        await transcript.append("", [entry("b")])
    assert await load(transcript) == [entry("a")]


async def test_entries_after_the_cancellation_of_the_run_are_refused(desk: Desk) -> None:
    _, transcript, run = await start_agent(desk)
    await desk.send(CancelRun(session_id=run.session_id, run_id=run.id))
    with pytest.raises(WriterReplaced):
        await transcript.append("", [entry("b")])


async def test_entries_after_the_start_of_the_next_run_are_refused(desk: Desk) -> None:
    transcripts, transcript, run = await start_agent(desk)
    await end(desk, run)
    following = opened(transcripts, await start(desk, run.session_id))
    await following.append("", [entry("a")])
    with pytest.raises(WriterReplaced):
        await transcript.append("", [entry("b")])
    assert await load(transcript) == [entry("a")]


async def test_entries_of_an_earlier_attempt_are_refused(desk: Desk) -> None:
    transcripts, transcript, run = await start_agent(desk)
    ids: dict[str, Any] = {"session_id": run.session_id, "run_id": run.id}
    await desk.send(RecordMessage.example().model_copy(update={**ids, "blocks": [CALL]}))
    later = {"expires_at": now() + timedelta(days=1), "tool_use_id": CALL.id}
    await desk.send(RequestApproval.example().model_copy(update={**ids, **later}))
    again = await desk.send(StartRun(**ids))
    assert again.attempt == 2
    await opened(transcripts, again).append("", [entry("a")])
    with pytest.raises(WriterReplaced):
        await transcript.append("", [entry("b")])


async def test_entries_just_after_the_end_of_a_run_are_stored(desk: Desk) -> None:
    _, transcript, run = await start_agent(desk)
    await end(desk, run)
    await transcript.append("", [entry("a")])
    assert await load(transcript) == [entry("a")]


async def test_a_reused_agent_may_append_for_its_new_run(desk: Desk) -> None:
    _, transcript, run = await start_agent(desk)
    await end(desk, run)
    following = await start(desk, run.session_id)
    transcript.set_writer(following.id, following.attempt)
    await transcript.append("", [entry("a")])
    assert await load(transcript) == [entry("a")]


async def test_starting_a_run_waits_for_appends_in_progress(desk: Desk) -> None:
    _, transcript, run = await start_agent(desk)
    await end(desk, run)
    following, database = await desk.submit(run.session_id), desk.dispatcher.database
    async with asyncio.TaskGroup() as tasks, database.transaction() as connection:  # an append in progress
        about, ended = (str(run.session_id), "", ["a"], ["user"], [json.dumps(entry("a"))]), list[str]()
        row = *about, run.id, run.attempt, 1000, ended
        await connection.execute(APPEND, *row)
        starting = tasks.create_task(desk.send(StartRun(session_id=run.session_id, run_id=following.id)))
        waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = $1)"
        name = await database.fetchval("SELECT current_database()")
        await eventually(lambda: database.fetchval(waits, name))
        assert not starting.done()
    with pytest.raises(WriterReplaced):
        await transcript.append("", [entry("b")])
    assert await load(transcript) == [entry("a")]
