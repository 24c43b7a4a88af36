"""Conversations in PostgreSQL: kept in order, once, and for their own session."""

import asyncio
import json
from itertools import count
from pathlib import Path
from typing import Any, cast
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
from claude_agent_sdk import SessionKey, SessionStore, SessionStoreEntry
from claude_agent_sdk.testing import run_session_store_conformance
from contracts.refusals import Code, Refusal
from contracts.session.approvals import RequestApproval
from contracts.session.commands import (
    CancelRun,
    CreateSession,
    DeleteSession,
    EndRun,
    RecordMessage,
    StartRun,
    SubmitQuery,
)
from contracts.session.forks import ForkSession
from contracts.session.queries import RunSummary
from contracts.session.values import ToolUseBlock
from eventing import patience
from eventing.database import Database
from eventing.testing import eventually
from runtime.clock import new_id, now
from session.transcript import APPEND, BOUNDARY, COPY, FORKED, Replaced, Transcript, Transcripts

from services.session.tests.desk import Desk

ONE, TWO = UUID(int=1), UUID(int=2)
STORES = count()
CALL = ToolUseBlock(id="toolu_1", tool_call_id=new_id(), name="Bash", input={})


class AnySession:
    """The store that the SDK's suite wants: for all sessions, and another one in every project and every store."""

    def __init__(self, transcripts: Transcripts) -> None:
        self.transcripts, self.store = transcripts, next(STORES)

    async def append(self, key: SessionKey, entries: list[SessionStoreEntry]) -> None:
        transcript = self.of(key)
        there = "INSERT INTO sessions VALUES ($1) ON CONFLICT DO NOTHING"
        await self.transcripts.database.execute(there, UUID(transcript.session))
        current = "INSERT INTO conversations (session_id, attempt) VALUES ($1, 0) ON CONFLICT DO NOTHING"
        await self.transcripts.database.execute(current, UUID(transcript.session))
        await transcript.append(key.get("subpath", ""), entries)

    async def load(self, key: SessionKey) -> list[SessionStoreEntry] | None:
        return await load(self.of(key), key.get("subpath", ""))

    async def list_subkeys(self, key: SessionKey) -> list[str]:
        return await self.of(key).subagents()

    def of(self, key: SessionKey) -> Transcript:
        session = str(uuid5(NAMESPACE_URL, f"{self.store}/{key['project_key']}/{key['session_id']}"))
        return Transcript(self.transcripts.database, session)


async def load(transcript: Transcript, subpath: str = "") -> list[Any] | None:
    return [json.loads(row["entry"]) async for rows in transcript.portions(subpath) for row in rows] or None


async def test_a_tool_call_is_waited_for_until_it_is_stored(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    said = {"type": "assistant", "message": {"content": [{"type": "tool_use", "id": "toolu_1"}, "odd"]}}
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(transcript.holds("toolu_1", 1000))
        odd = [{"type": "user", "message": "odd"}, {"type": "user"}, said]
        await transcript.append("", odd)


async def test_a_tool_call_that_is_not_stored_is_not_waited_for_longer_than_may_be(transcripts: Transcripts) -> None:
    await transcripts.open(ONE).holds("toolu_1", 0.01)


async def test_the_suite_of_the_sdk_passes(transcripts: Transcripts) -> None:
    await run_session_store_conformance(lambda: cast(SessionStore, AnySession(transcripts)))


async def test_an_entry_that_comes_twice_is_kept_once(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append("", [entry("a"), entry("b")])
    await transcript.append("", [entry("b"), entry("c")])
    assert await load(transcript) == [entry("a"), entry("b"), entry("c")]


async def test_entries_without_a_name_are_all_kept(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append("", [{"type": "mode"}, {"type": "mode"}])
    assert await load(transcript) == [{"type": "mode"}, {"type": "mode"}]


@pytest.mark.parametrize("text", ["\0", "\ud800", "ř 🙂", "x" * 2_000_000])
async def test_what_a_tool_gave_is_kept_whatever_it_is(transcripts: Transcripts, text: str) -> None:
    given = cast(SessionStoreEntry, {"type": "user", "uuid": "a", "content": text})
    transcript = transcripts.open(ONE)
    await transcript.append("", [given])
    assert await load(transcript) == [given]


async def test_a_conversation_has_begun_with_its_first_word(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append("", [{"type": "queue-operation"}])
    assert not await transcript.begun()
    await transcript.append("", [entry("a")])
    assert await transcript.begun()


async def test_what_the_agent_wrote_itself_is_no_news(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append("", [entry("a")])
    assert not await transcript.moved_on()


async def test_what_the_agent_has_read_is_no_news(transcripts: Transcripts) -> None:
    await transcripts.open(ONE).append("", [entry("a")])
    transcript = transcripts.open(ONE)
    await load(transcript)
    assert not await transcript.moved_on()


async def test_what_another_agent_wrote_is_news(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append("", [entry("a")])
    await transcripts.open(ONE).append("", [entry("b")])
    assert await transcript.moved_on()


async def test_a_deleted_session_leaves_nothing(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append("", [entry("a")])
    await transcript.append("subagents/agent-1", [entry("b")])
    await transcripts.delete_session(ONE)
    assert await load(transcript) is None
    assert await transcript.subagents() == []


async def test_what_an_agent_says_after_its_session_was_deleted_is_not_kept(desk: Desk) -> None:
    transcripts, transcript, run = await working(desk)
    await transcript.append("", [entry("a")])
    await desk.send(DeleteSession(session_id=run.session_id))
    await transcripts.delete_session(run.session_id)
    with pytest.raises(Replaced):
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
    transcript.works_for(run.id, run.attempt)
    return transcript


async def end(desk: Desk, run: RunSummary) -> None:
    await desk.send(EndRun(session_id=run.session_id, run_id=run.id, attempt=run.attempt))


async def test_an_agent_whose_run_another_worker_took_over_adds_nothing(desk: Desk) -> None:
    _, transcript, run = await working(desk)
    await transcript.append("", [entry("a")])
    await desk.send(StartRun(session_id=run.session_id, run_id=run.id))  # it is interrupted
    with pytest.raises(Replaced):
        await transcript.append("", [entry("b")])
    assert await load(transcript) == [entry("a")]


async def test_an_agent_whose_run_was_cancelled_adds_nothing(desk: Desk) -> None:
    _, transcript, run = await working(desk)
    await desk.send(CancelRun(session_id=run.session_id, run_id=run.id))
    with pytest.raises(Replaced):
        await transcript.append("", [entry("b")])


async def test_an_agent_whose_run_was_followed_by_another_adds_nothing(desk: Desk) -> None:
    transcripts, transcript, run = await working(desk)
    await end(desk, run)
    following = opened(transcripts, await start(desk, run.session_id))
    await following.append("", [entry("a")])
    with pytest.raises(Replaced):
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
    with pytest.raises(Replaced):
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
    transcript.works_for(following.id, following.attempt)
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
    with pytest.raises(Replaced):
        await transcript.append("", [entry("b")])
    assert await load(transcript) == [entry("a")]


async def test_a_conversation_has_a_limit_and_what_goes_beyond_is_not_kept(
    transcripts: Transcripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("session.transcript.CONVERSATION_BYTES", 100)
    transcript = transcripts.open(ONE)
    await transcript.append("", [entry("a")])
    with pytest.raises(Refusal, match=Code.CONVERSATION_FULL):
        await transcript.append("subagents/agent-1", [cast(SessionStoreEntry, {**entry("b"), "text": "x" * 100})])
    assert await load(transcript) == [entry("a")]
    assert await transcript.subagents() == []


@pytest.mark.parametrize("subpath", ["..", "a", "a/../b", "/a/b", "a/b.c", "a/\0", "a/" + "b" * 200, "a/" * 10 + "a"])
async def test_no_subagent_has_such_a_path(transcripts: Transcripts, subpath: str) -> None:
    with pytest.raises(ValueError, match="subagent"):
        await transcripts.open(ONE).append(subpath, [entry("a")])


@pytest.mark.parametrize("odd", [1, None, [], {}, {"type": 1}, {"type": "a\0"}, {"type": "\ud800"}])
async def test_what_is_no_entry_is_refused(transcripts: Transcripts, odd: Any) -> None:
    with pytest.raises(ValueError, match="no entry"):
        await transcripts.open(ONE).append("", [odd])


async def test_a_large_conversation_is_read_in_portions(
    transcripts: Transcripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("session.transcript.PORTION_BYTES", 100)
    transcript, names = transcripts.open(ONE), [f"{n:04}" for n in range(100)]
    await transcript.append("", [entry(name) for name in names])
    portions = [[json.loads(row["entry"])["uuid"] for row in rows] async for rows in transcript.portions()]
    assert [name for portion in portions for name in portion] == names
    assert max(map(len, portions)) <= 100 // len(json.dumps(entry("0000"))) + 1


async def test_a_conversation_is_written_as_an_agent_keeps_it(transcripts: Transcripts, tmp_path: Path) -> None:
    transcript, told = transcripts.open(ONE), {"type": "agent_metadata", "agentType": "Plan"}
    await transcript.append("", [entry("a"), entry("b")])
    await transcript.append("subagents/agent-1", [entry("c"), told])
    await transcripts.open(ONE).write_to(tmp_path)
    assert {str(path.relative_to(tmp_path)): path.read_text() for path in files(tmp_path)} == {
        f"{ONE}.jsonl": "".join(f"{json.dumps(entry(name))}\n" for name in ("a", "b")),
        f"{ONE}/subagents/agent-1.jsonl": json.dumps(entry("c")) + "\n",
        f"{ONE}/subagents/agent-1.meta.json": json.dumps({"agentType": "Plan"}),
    }


async def test_a_subagent_with_an_impossible_path_keeps_nobody_from_going_on(
    transcripts: Transcripts, tmp_path: Path
) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append("", [entry("a")])
    old = "INSERT INTO transcript (session_id, subpath, type, entry) VALUES ($1, $2, 'user', '{}')"
    await transcripts.database.execute(old, str(ONE), "subagents/" + "x" * 300)
    await transcript.write_to(tmp_path)
    assert [path.name for path in files(tmp_path)] == [f"{ONE}.jsonl"]


async def test_the_other_sessions_stay(transcripts: Transcripts) -> None:
    await transcripts.open(TWO).append("", [entry("a")])
    await transcripts.delete_session(ONE)
    assert await load(transcripts.open(TWO)) == [entry("a")]


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


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

    async def fetchrow(self, *_: object) -> dict[str, Any]:
        return {"bytes": 1, "last": await self.fetchval()}

    async def fetch(self, *_: object) -> list[Any]:
        await self.fetchval()
        return []


async def test_a_database_that_is_away_for_a_moment_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PAUSES", (0.0, 0.0))
    database = Blinking()
    transcript = Transcript(cast(Any, database), str(ONE))
    await transcript.append("", [entry("a")])
    assert (await load(transcript), await transcript.begun(), await transcript.moved_on()) == (None, True, False)
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
    await desk.send(StartRun(session_id=PARENT, run_id=AGAIN))
    entries = [{"type": "queue-operation"}, {"type": "user", "uuid": str(HELLO)}, {"type": "system", "uuid": "s"}]
    later = [{"type": "queue-operation"}, {"type": "user", "uuid": str(AGAIN)}, {"type": "assistant", "uuid": "a"}]
    told = [{**entry, "sessionId": str(PARENT)} for entry in (*entries, *later)]
    transcript = transcripts.open(PARENT)
    transcript.works_for(AGAIN, 1)
    await transcript.append("", told)
    await desk.send(EndRun(session_id=PARENT, run_id=AGAIN, attempt=1))
    await desk.send(ForkSession(session_id=PARENT, fork_id=FORK, name="fork"))
    return transcripts


async def copied(transcripts: Transcripts, messages: int) -> list[str]:
    await transcripts.copy(PARENT, FORK, messages)
    loaded = await load(transcripts.open(FORK)) or []
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


async def test_a_copy_that_was_broken_off_goes_on_where_it_was(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    transcripts, database = await a_conversation(desk), desk.dispatcher.database
    monkeypatch.setattr("session.transcript.PORTION_BYTES", 1)
    await database.execute(FORKED, FORK)
    for _ in range(2):  # a note about the queue, and the first message
        await database.fetchval(COPY, PARENT, FORK, await database.fetchval(BOUNDARY, PARENT, 2), 1)
    assert await load(transcripts.open(FORK)) == [{"type": "user", "uuid": str(HELLO), "sessionId": str(FORK)}]
    assert await copied(transcripts, 2) == [str(HELLO), "s", str(AGAIN), "a"]


async def test_two_workers_that_copy_at_once_copy_each_entry_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    transcripts = await a_conversation(desk)
    monkeypatch.setattr("session.transcript.PORTION_BYTES", 1)
    await asyncio.gather(*(transcripts.copy(PARENT, FORK, 2) for _ in range(4)))
    names = [entry.get("uuid") for entry in await load(transcripts.open(FORK)) or []]
    assert names == [str(HELLO), "s", str(AGAIN), "a"]


async def test_copies_keep_no_connection_from_others(desk: Desk) -> None:
    await a_conversation(desk)
    shared, slow = (
        desk.dispatcher.database,
        """
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(3); RETURN NEW; END';
        CREATE TRIGGER slow BEFORE INSERT ON transcript FOR EACH STATEMENT EXECUTE FUNCTION slow();""",
    )
    await shared.execute(slow)
    async with (
        Database.open(shared.url, "session", size=1) as database,
        Database.open(shared.url, "session", size=1) as copying,
        asyncio.TaskGroup() as tasks,
    ):
        going = tasks.create_task(Transcripts(database, copying).copy(PARENT, FORK, 2))
        sleeps = (
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND application_name = 'session')"
        )
        await eventually(lambda: database.fetchval(sleeps))
        assert not going.done()


async def test_a_conversation_that_a_fork_copied_counts_as_its_own(desk: Desk) -> None:
    transcripts, size = await a_conversation(desk), "SELECT bytes FROM conversations WHERE session_id = $1"
    await transcripts.copy(PARENT, FORK, 2)
    assert await desk.dispatcher.database.fetchval(size, FORK) == await desk.dispatcher.database.fetchval(size, PARENT)
