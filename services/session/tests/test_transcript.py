"""Conversations in PostgreSQL: kept in order, once, and for their own session."""

import asyncio
from itertools import count
from typing import Any, cast
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
from claude_agent_sdk import SessionKey, SessionStore, SessionStoreEntry
from claude_agent_sdk.testing import run_session_store_conformance
from contracts.session.commands import CreateSession, DeleteSession, EndRun, SubmitQuery
from eventing import database as module
from eventing import patience
from eventing.database import Database
from session.transcript import Transcript, Transcripts

from services.session.tests.desk import Desk

ONE, TWO = UUID(int=1), UUID(int=2)
STORES = count()


class AnySession:
    """The store that the SDK's suite wants: for all sessions, and another one in every project and every store."""

    def __init__(self, transcripts: Transcripts) -> None:
        self.transcripts, self.store = transcripts, next(STORES)

    async def append(self, key: SessionKey, entries: list[SessionStoreEntry]) -> None:
        transcript, key = self.of(key)
        there = "INSERT INTO sessions VALUES ($1::uuid) ON CONFLICT DO NOTHING"
        await self.transcripts.database.execute(there, key["session_id"])
        await transcript.append(key, entries)

    async def load(self, key: SessionKey) -> list[SessionStoreEntry] | None:
        transcript, key = self.of(key)
        return await transcript.load(key)

    async def delete(self, key: SessionKey) -> None:
        transcript, key = self.of(key)
        await transcript.delete(key)

    async def list_subkeys(self, key: SessionKey) -> list[str]:
        transcript, key = self.of(key)
        return await transcript.list_subkeys({"project_key": "", "session_id": key["session_id"]})

    def of(self, key: SessionKey) -> tuple[Transcript, SessionKey]:
        session = str(uuid5(NAMESPACE_URL, f"{self.store}/{key['project_key']}/{key['session_id']}"))
        return Transcript(self.transcripts.database, session), {**key, "session_id": session}


async def test_a_tool_call_is_waited_for_until_it_is_stored(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    said = {"type": "assistant", "message": {"content": [{"type": "tool_use", "id": "toolu_1"}, "odd"]}}
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(transcript.holds("toolu_1", 1000))
        odd = [{"type": "user", "message": "odd"}, {"type": "user"}, said]
        await transcript.append({"project_key": "", "session_id": str(ONE)}, cast(list[SessionStoreEntry], odd))


async def test_a_tool_call_that_is_not_stored_is_not_waited_for_longer_than_may_be(transcripts: Transcripts) -> None:
    await transcripts.open(ONE).holds("toolu_1", 0.01)


async def test_the_suite_of_the_sdk_passes(transcripts: Transcripts) -> None:
    await run_session_store_conformance(lambda: cast(SessionStore, AnySession(transcripts)))


async def test_an_entry_that_comes_twice_is_kept_once(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append(key(), [entry("a"), entry("b")])
    await transcript.append(key(), [entry("b"), entry("c")])
    assert await transcript.load(key()) == [entry("a"), entry("b"), entry("c")]


async def test_entries_without_a_name_are_all_kept(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append(key(), [{"type": "mode"}, {"type": "mode"}])
    assert await transcript.load(key()) == [{"type": "mode"}, {"type": "mode"}]


async def test_a_conversation_is_found_from_another_folder(transcripts: Transcripts) -> None:
    await transcripts.open(ONE).append(key(project_key="here"), [entry("a")])
    assert await transcripts.open(ONE).load(key(project_key="there")) == [entry("a")]


@pytest.mark.parametrize("text", ["\0", "\ud800", "ř 🙂", "x" * 2_000_000])
async def test_what_a_tool_gave_is_kept_whatever_it_is(transcripts: Transcripts, text: str) -> None:
    given = cast(SessionStoreEntry, {"type": "user", "uuid": "a", "content": text})
    transcript = transcripts.open(ONE)
    await transcript.append(key(), [given])
    assert await transcript.load(key()) == [given]


async def test_what_is_of_another_session_is_refused(transcripts: Transcripts) -> None:
    with pytest.raises(PermissionError):
        await transcripts.open(ONE).append(key(TWO), [entry("a")])
    assert await transcripts.open(TWO).load(key(TWO)) is None


async def test_a_conversation_has_begun_with_its_first_word(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append(key(), [{"type": "queue-operation"}])
    assert not await transcript.begun()
    await transcript.append(key(), [entry("a")])
    assert await transcript.begun()


async def test_what_the_agent_wrote_itself_is_no_news(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append(key(), [entry("a")])
    assert not await transcript.moved_on()


async def test_what_the_agent_has_read_is_no_news(transcripts: Transcripts) -> None:
    await transcripts.open(ONE).append(key(), [entry("a")])
    transcript = transcripts.open(ONE)
    await transcript.load(key())
    assert not await transcript.moved_on()


async def test_what_another_agent_wrote_is_news(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append(key(), [entry("a")])
    await transcripts.open(ONE).append(key(), [entry("b")])
    assert await transcript.moved_on()


async def test_a_deleted_session_leaves_nothing(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append(key(), [entry("a")])
    await transcript.append(key(subpath="subagents/agent-1"), [entry("b")])
    await transcripts.delete_session(ONE)
    assert await transcript.load(key()) is None
    assert await transcript.list_subkeys({"project_key": "", "session_id": str(ONE)}) == []


async def test_what_an_agent_says_after_its_session_was_deleted_is_not_kept(desk: Desk) -> None:
    session_id, transcripts = await desk.create(), Transcripts(desk.dispatcher.database)
    transcript = transcripts.open(session_id)
    await transcript.append(key(session_id), [entry("a")])
    await desk.send(DeleteSession(session_id=session_id))
    await transcripts.delete_session(session_id)
    await transcript.append(key(session_id), [entry("b")])
    assert await transcript.load(key(session_id)) is None


async def test_the_other_sessions_stay(transcripts: Transcripts) -> None:
    await transcripts.open(TWO).append(key(TWO), [entry("a")])
    await transcripts.delete_session(ONE)
    assert await transcripts.open(TWO).load(key(TWO)) == [entry("a")]


def key(session_id: UUID = ONE, **more: str) -> SessionKey:
    return cast(SessionKey, {"project_key": "here", "session_id": str(session_id), **more})


def entry(name: str) -> SessionStoreEntry:
    return {"type": "user", "uuid": name}


class Blinking:
    """A database that is away for a moment, and then for another."""

    def __init__(self) -> None:
        self.asked = 0

    async def fetchval(self, *_: object) -> int:
        self.asked += 1
        if self.asked % 3:
            raise ConnectionRefusedError
        return 1

    async def fetch(self, *_: object) -> list[Any]:
        await self.fetchval()
        return []


async def test_a_database_that_is_away_for_a_moment_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PAUSES", (0.0, 0.0))
    database = Blinking()
    transcript, key = Transcript(cast(Any, database), str(ONE)), SessionKey(project_key="", session_id=str(ONE))
    await transcript.append(key, [])
    assert (await transcript.load(key), await transcript.begun(), await transcript.moved_on()) == (None, True, False)
    assert database.asked == 12


PARENT, FORK, HELLO, AGAIN = UUID(int=3), UUID(int=4), UUID(int=5), UUID(int=6)


async def a_conversation(desk: Desk) -> Transcripts:
    """Two messages with their entries, and what the agent noted around them."""
    transcripts = Transcripts(desk.dispatcher.database)
    await desk.send(CreateSession.example().model_copy(update={"session_id": PARENT}))
    run = {"run_id": UUID(int=7), "session_id": PARENT}
    await desk.send(SubmitQuery.example().model_copy(update={**run, "message_id": HELLO}))
    await desk.send(EndRun.example().model_copy(update={**run, "attempt": None}))
    await desk.send(
        SubmitQuery.example().model_copy(update={"session_id": PARENT, "run_id": AGAIN, "message_id": AGAIN})
    )
    entries = [{"type": "queue-operation"}, {"type": "user", "uuid": str(HELLO)}, {"type": "system", "uuid": "s"}]
    later = [{"type": "queue-operation"}, {"type": "user", "uuid": str(AGAIN)}, {"type": "assistant", "uuid": "a"}]
    told = [{**entry, "sessionId": str(PARENT)} for entry in (*entries, *later)]
    key: SessionKey = {"project_key": "", "session_id": str(PARENT)}
    await transcripts.open(PARENT).append(key, cast(list[SessionStoreEntry], told))
    return transcripts


async def copied(transcripts: Transcripts, messages: int) -> list[str]:
    await transcripts.copy(PARENT, FORK, messages)
    loaded = await transcripts.open(FORK).load({"project_key": "", "session_id": str(FORK)}) or []
    assert {cast(dict[str, str], entry)["sessionId"] for entry in loaded} == {str(FORK)}
    return [cast(dict[str, str], entry)["uuid"] for entry in loaded]


async def test_a_copy_ends_before_the_first_message_that_is_not_to_be_known(desk: Desk) -> None:
    assert await copied(await a_conversation(desk), 1) == [str(HELLO), "s"]


async def test_a_copy_of_all_messages_has_all(desk: Desk) -> None:
    assert await copied(await a_conversation(desk), 2) == [str(HELLO), "s", str(AGAIN), "a"]


async def test_a_conversation_that_was_begun_is_not_copied_over(desk: Desk) -> None:
    transcripts = await a_conversation(desk)
    await copied(transcripts, 1)
    assert await copied(transcripts, 2) == [str(HELLO), "s"]


async def test_a_copy_may_take_longer_than_other_statements(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = """
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END';
        CREATE TRIGGER slow AFTER INSERT ON transcript EXECUTE FUNCTION slow();"""
    await a_conversation(desk)
    await desk.dispatcher.database.execute(slow)
    monkeypatch.setattr(module, "STATEMENT_TIMEOUT", 0.1)
    async with Database.open(desk.dispatcher.database.url, "session") as database:
        assert await copied(Transcripts(database), 1) == [str(HELLO), "s"]
