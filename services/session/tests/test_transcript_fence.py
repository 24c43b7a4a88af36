"""Only the agent of the run that was started last adds to a conversation, and nobody once others ended that run."""

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest
from contracts.session.approval import RequestApproval
from contracts.session.conversation import RecordMessage
from contracts.session.run import CancelRun, EndRun, RunSummary, StartRun
from contracts.session.session import DeleteSession
from contracts.session.values import ToolUseBlock
from eventing.testing import eventually
from runtime.clock import new_id, now
from session.agent.transcript import APPEND, Transcript, Transcripts, WriterReplaced

from services.session.tests.desk import Desk
from services.session.tests.test_transcript import entry, load

CALL = ToolUseBlock(id="toolu_1", tool_call_id=new_id(), name="Bash", input={})


async def test_what_an_agent_says_after_its_session_was_deleted_is_not_kept(desk: Desk) -> None:
    transcripts, transcript, run = await working(desk)
    await transcript.append("", [entry("a")])
    await desk.send(DeleteSession(session_id=run.session_id))
    await transcripts.delete_session(run.session_id)
    with pytest.raises(WriterReplaced):
        await transcript.append("", [entry("b")])
    assert await load(transcript) is None


async def working(desk: Desk) -> tuple[Transcripts, Transcript, RunSummary]:
    """Start a run; its worker's agent has the transcript."""
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


async def test_an_agent_whose_run_another_worker_took_over_adds_nothing(desk: Desk) -> None:
    _, transcript, run = await working(desk)
    await transcript.append("", [entry("a")])
    await desk.send(StartRun(session_id=run.session_id, run_id=run.id))  # it is interrupted
    with pytest.raises(WriterReplaced):
        await transcript.append("", [entry("b")])
    assert await load(transcript) == [entry("a")]


async def test_an_agent_whose_run_was_cancelled_adds_nothing(desk: Desk) -> None:
    _, transcript, run = await working(desk)
    await desk.send(CancelRun(session_id=run.session_id, run_id=run.id))
    with pytest.raises(WriterReplaced):
        await transcript.append("", [entry("b")])


async def test_an_agent_whose_run_was_followed_by_another_adds_nothing(desk: Desk) -> None:
    transcripts, transcript, run = await working(desk)
    await end(desk, run)
    following = opened(transcripts, await start(desk, run.session_id))
    await following.append("", [entry("a")])
    with pytest.raises(WriterReplaced):
        await transcript.append("", [entry("b")])
    assert await load(transcript) == [entry("a")]


async def test_the_agent_of_a_worker_before_the_approval_adds_nothing(desk: Desk) -> None:
    transcripts, transcript, run = await working(desk)
    whose: dict[str, Any] = {"session_id": run.session_id, "run_id": run.id}
    await desk.send(RecordMessage.example().model_copy(update={**whose, "blocks": [CALL]}))
    later = {"expires_at": now().replace(year=2999), "tool_use_id": CALL.id}
    await desk.send(RequestApproval.example().model_copy(update={**whose, **later}))
    again = await desk.send(StartRun(**whose))
    assert again.attempt == 2
    await opened(transcripts, again).append("", [entry("a")])
    with pytest.raises(WriterReplaced):
        await transcript.append("", [entry("b")])


async def test_what_an_agent_adds_just_after_its_run_is_kept(desk: Desk) -> None:
    _, transcript, run = await working(desk)
    await end(desk, run)
    await transcript.append("", [entry("a")])
    assert await load(transcript) == [entry("a")]


async def test_an_agent_that_goes_on_adds_in_the_name_of_its_new_run(desk: Desk) -> None:
    _, transcript, run = await working(desk)
    await end(desk, run)
    following = await start(desk, run.session_id)
    transcript.set_writer(following.id, following.attempt)
    await transcript.append("", [entry("a")])
    assert await load(transcript) == [entry("a")]


async def test_who_starts_a_run_waits_for_what_is_being_added(desk: Desk) -> None:
    _, transcript, run = await working(desk)
    await end(desk, run)
    following, database = await desk.submit(run.session_id), desk.dispatcher.database
    async with asyncio.TaskGroup() as tasks, database.transaction() as connection:  # an entry that is being added
        row = (str(run.session_id), "", ["a"], ["user"], [json.dumps(entry("a"))], run.id, run.attempt, 1000)
        await connection.execute(APPEND, *row)
        starting = tasks.create_task(desk.send(StartRun(session_id=run.session_id, run_id=following.id)))
        waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = $1)"
        name = await database.fetchval("SELECT current_database()")
        await eventually(lambda: database.fetchval(waits, name))
        assert not starting.done()
    with pytest.raises(WriterReplaced):
        await transcript.append("", [entry("b")])
    assert await load(transcript) == [entry("a")]
