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
from contracts.session.values import ToolUseBlock
from eventing import retrying
from runtime.clock import new_id
from session.agent.transcript import Transcript, Transcripts

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
    return [json.loads(row["entry"]) async for rows in transcript.chunks(subpath) for row in rows] or None


async def test_a_tool_call_is_waited_for_until_it_is_stored(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    said = {"type": "assistant", "message": {"content": [{"type": "tool_use", "id": "toolu_1"}, "odd"]}}
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(transcript.wait_stored("toolu_1", 1000))
        odd = [{"type": "user", "message": "odd"}, {"type": "user"}, said]
        await transcript.append("", odd)


async def test_a_tool_call_that_is_not_stored_is_not_waited_for_longer_than_may_be(transcripts: Transcripts) -> None:
    await transcripts.open(ONE).wait_stored("toolu_1", 0.01)


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
    assert not await transcript.is_resumable()
    await transcript.append("", [entry("a")])
    assert await transcript.is_resumable()


async def test_what_the_agent_wrote_itself_is_no_news(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append("", [entry("a")])
    assert not await transcript.has_advanced()


async def test_what_the_agent_has_read_is_no_news(transcripts: Transcripts) -> None:
    await transcripts.open(ONE).append("", [entry("a")])
    transcript = transcripts.open(ONE)
    await load(transcript)
    assert not await transcript.has_advanced()


async def test_what_another_agent_wrote_is_news(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append("", [entry("a")])
    await transcripts.open(ONE).append("", [entry("b")])
    assert await transcript.has_advanced()


async def test_a_deleted_session_leaves_nothing(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append("", [entry("a")])
    await transcript.append("subagents/agent-1", [entry("b")])
    await transcripts.delete_session(ONE)
    assert await load(transcript) is None
    assert await transcript.subagents() == []


async def test_a_conversation_has_a_limit_and_what_goes_beyond_is_not_kept(
    transcripts: Transcripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("session.agent.transcript.CONVERSATION_BYTES", 100)
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
    with pytest.raises(ValueError, match="not an entry"):
        await transcripts.open(ONE).append("", [odd])


async def test_a_large_conversation_is_read_in_portions(
    transcripts: Transcripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("session.agent.transcript.CHUNK_BYTES", 100)
    transcript, names = transcripts.open(ONE), [f"{n:04}" for n in range(100)]
    await transcript.append("", [entry(name) for name in names])
    chunks = [[json.loads(row["entry"])["uuid"] for row in rows] async for rows in transcript.chunks()]
    assert [name for portion in chunks for name in portion] == names
    assert max(map(len, chunks)) <= 100 // len(json.dumps(entry("0000"))) + 1


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
    monkeypatch.setattr(retrying, "PAUSES", (0.0, 0.0))
    database = Blinking()
    transcript = Transcript(cast(Any, database), str(ONE))
    await transcript.append("", [entry("a")])
    assert (await load(transcript), await transcript.is_resumable(), await transcript.has_advanced()) == (
        None,
        True,
        False,
    )
    assert database.asked == 12
