"""A fork copies the transcript of its parent in batches, once, and without occupying the database."""

import asyncio
from typing import cast
from uuid import UUID

import pytest
from contracts.session.conversation import RecordMessage
from contracts.session.fork import ForkSession
from contracts.session.run import EndRun, StartRun, SubmitQuery
from contracts.session.session import CreateSession
from contracts.session.values import TextBlock
from eventing.database import Database
from eventing.testing import eventually
from onebox.testing.databases import Databases
from session.agent.transcript import BOUNDARY, COPY, CREATE_CONVERSATION, Transcripts

from services.session.tests.desk import Desk
from services.session.tests.test_transcript import load

PARENT, FORK, HELLO, AGAIN = UUID(int=3), UUID(int=4), UUID(int=5), UUID(int=6)
ANSWER = UUID(int=8)
"""The id of the entry of the agent's message."""


async def create_conversation(desk: Desk) -> Transcripts:
    """Create a transcript of three messages with the entries around them, and a fork of the session."""
    transcripts = Transcripts(desk.dispatcher.database)
    await desk.send(CreateSession.example().model_copy(update={"session_id": PARENT}))
    run = {"run_id": UUID(int=7), "session_id": PARENT}
    await desk.send(SubmitQuery.example().model_copy(update={**run, "message_id": HELLO}))
    await desk.send(EndRun.example().model_copy(update={**run, "attempt": None}))
    await desk.send(
        SubmitQuery.example().model_copy(update={"session_id": PARENT, "run_id": AGAIN, "message_id": AGAIN})
    )
    await desk.send(StartRun(session_id=PARENT, run_id=AGAIN))
    entries = [{"type": "queue-operation"}, {"type": "user", "uuid": str(HELLO)}, {"type": "system", "uuid": "s"}]
    later = [
        {"type": "queue-operation"},
        {"type": "user", "uuid": str(AGAIN)},
        {"type": "assistant", "uuid": str(ANSWER)},
    ]
    stored = [{**entry, "sessionId": str(PARENT)} for entry in (*entries, *later)]
    transcript = transcripts.open(PARENT)
    transcript.set_writer(AGAIN, 1)
    await transcript.append("", stored)
    changed = {"session_id": PARENT, "run_id": AGAIN, "blocks": [TextBlock(text="Hi")], "entry_id": ANSWER}
    await desk.send(RecordMessage.example().model_copy(update=changed))
    await desk.send(EndRun(session_id=PARENT, run_id=AGAIN, attempt=1))
    await desk.send(ForkSession(session_id=PARENT, fork_id=FORK, name="fork"))
    return transcripts


async def copied(transcripts: Transcripts, messages: int) -> list[str]:
    await transcripts.copy(PARENT, FORK, messages)
    loaded = await load(transcripts.open(FORK)) or []
    assert {cast(dict[str, str], entry)["sessionId"] for entry in loaded} == {str(FORK)}
    return [cast(dict[str, str], entry)["uuid"] for entry in loaded]


async def test_a_copy_ends_before_the_first_excluded_message(desk: Desk) -> None:
    assert await copied(await create_conversation(desk), 1) == [str(HELLO), "s"]


async def test_a_copy_ends_before_an_excluded_message_of_the_agent(desk: Desk) -> None:
    assert await copied(await create_conversation(desk), 2) == [str(HELLO), "s", str(AGAIN)]


async def test_a_copy_of_all_messages_is_complete(desk: Desk) -> None:
    assert await copied(await create_conversation(desk), 3) == [str(HELLO), "s", str(AGAIN), str(ANSWER)]


async def test_a_conversation_that_has_begun_is_not_overwritten(desk: Desk) -> None:
    transcripts = await create_conversation(desk)
    await copied(transcripts, 1)
    assert await copied(transcripts, 3) == [str(HELLO), "s"]


async def test_an_interrupted_copy_continues_where_it_stopped(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    transcripts, database = await create_conversation(desk), desk.dispatcher.database
    monkeypatch.setattr("session.agent.transcript.CHUNK_BYTES", 1)
    await database.execute(CREATE_CONVERSATION, FORK)
    for _ in range(2):  # copies the queue operation and the first message
        await database.fetchval(COPY, PARENT, FORK, await database.fetchval(BOUNDARY, PARENT, 3), 1)
    assert await load(transcripts.open(FORK)) == [{"type": "user", "uuid": str(HELLO), "sessionId": str(FORK)}]
    assert await copied(transcripts, 3) == [str(HELLO), "s", str(AGAIN), str(ANSWER)]


async def test_concurrent_copies_store_each_entry_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    transcripts = await create_conversation(desk)
    monkeypatch.setattr("session.agent.transcript.CHUNK_BYTES", 1)
    await asyncio.gather(*(transcripts.copy(PARENT, FORK, 3) for _ in range(4)))
    names = [entry.get("uuid") for entry in await load(transcripts.open(FORK)) or []]
    assert names == [str(HELLO), "s", str(AGAIN), str(ANSWER)]


async def test_a_copy_does_not_occupy_the_shared_connections(desk: Desk, databases: Databases) -> None:
    await create_conversation(desk)
    shared = desk.dispatcher.database
    slow_inserts = """
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END';
        CREATE TRIGGER slow BEFORE INSERT ON transcript FOR EACH STATEMENT EXECUTE FUNCTION slow();"""
    waits = """
        SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database())"""
    async with (
        Database.open(shared.url, "session", size=1) as database,
        Database.open(shared.url, "session", size=1) as copying,
        Database.open(databases.as_owner(shared.url), "session", size=1) as owned,
        asyncio.TaskGroup() as tasks,
    ):
        await owned.execute(slow_inserts)
        async with owned.transaction() as holding:
            await holding.execute("SELECT pg_advisory_xact_lock(1)")
            copy = tasks.create_task(Transcripts(database, copying).copy(PARENT, FORK, 3))
            await eventually(lambda: database.fetchval(waits))
            assert not copy.done()


async def test_a_copied_conversation_counts_towards_the_forks_size(desk: Desk) -> None:
    transcripts, size = await create_conversation(desk), "SELECT bytes FROM conversations WHERE session_id = $1"
    await transcripts.copy(PARENT, FORK, 3)
    assert await desk.dispatcher.database.fetchval(size, FORK) == await desk.dispatcher.database.fetchval(size, PARENT)
