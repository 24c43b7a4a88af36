"""Transcripts in PostgreSQL: stored in order, once, and only for their own session."""

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
from session.agent import transcript as transcript_module
from session.agent.transcript import Transcript, Transcripts

ONE, TWO = UUID(int=1), UUID(int=2)
STORES = count()
CALL = ToolUseBlock(id="toolu_1", tool_call_id=new_id(), name="Bash", input={})


class AnySession:
    """The store that the conformance suite needs: all its sessions differ in every project and every store."""

    def __init__(self, transcripts: Transcripts) -> None:
        self.transcripts, self.store = transcripts, next(STORES)

    async def append(self, key: SessionKey, entries: list[SessionStoreEntry]) -> None:
        transcript = self.transcript_of(key)
        add_session = "INSERT INTO sessions VALUES ($1) ON CONFLICT DO NOTHING"
        await self.transcripts.database.execute(add_session, UUID(transcript.session))
        add_conversation = "INSERT INTO conversations (session_id, attempt) VALUES ($1, 0) ON CONFLICT DO NOTHING"
        await self.transcripts.database.execute(add_conversation, UUID(transcript.session))
        await transcript.append(key.get("subpath", ""), entries)

    async def load(self, key: SessionKey) -> list[SessionStoreEntry] | None:
        return await load(self.transcript_of(key), key.get("subpath", ""))

    async def list_subkeys(self, key: SessionKey) -> list[str]:
        return await self.transcript_of(key).subagents()

    def transcript_of(self, key: SessionKey) -> Transcript:
        session = str(uuid5(NAMESPACE_URL, f"{self.store}/{key['project_key']}/{key['session_id']}"))
        return Transcript(self.transcripts.database, session)


async def load(transcript: Transcript, subpath: str = "") -> list[Any] | None:
    return [json.loads(row["entry"]) async for rows in transcript.chunks(subpath) for row in rows] or None


async def test_waiting_for_a_tool_call_ends_when_it_is_stored(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    call = {"type": "assistant", "message": {"content": [{"type": "tool_use", "id": "toolu_1"}, "odd"]}}
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(transcript.calls.wait_stored("toolu_1", 1000))
        odd = [{"type": "user", "message": "odd"}, {"type": "user"}, call]
        await transcript.append("", odd)


async def test_waiting_for_a_tool_call_has_a_timeout(transcripts: Transcripts) -> None:
    await transcripts.open(ONE).calls.wait_stored("toolu_1", 0.01)


async def test_the_conformance_suite_of_the_sdk_passes(transcripts: Transcripts) -> None:
    await run_session_store_conformance(lambda: cast(SessionStore, AnySession(transcripts)))


async def test_an_entry_appended_twice_is_stored_once(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append("", [entry("a"), entry("b")])
    await transcript.append("", [entry("b"), entry("c")])
    assert await load(transcript) == [entry("a"), entry("b"), entry("c")]


async def test_entries_without_an_id_are_all_stored(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append("", [{"type": "mode"}, {"type": "mode"}])
    assert await load(transcript) == [{"type": "mode"}, {"type": "mode"}]


@pytest.mark.parametrize("text", ["\0", "\ud800", "ř 🙂", "x" * 2_000_000])
async def test_any_text_of_a_tool_result_is_stored_unchanged(transcripts: Transcripts, text: str) -> None:
    stored = cast(SessionStoreEntry, {"type": "user", "uuid": "a", "content": text})
    transcript = transcripts.open(ONE)
    await transcript.append("", [stored])
    assert await load(transcript) == [stored]


async def test_a_conversation_has_begun_with_its_first_message(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append("", [{"type": "queue-operation"}])
    assert not await transcript.is_resumable()
    await transcript.append("", [entry("a")])
    assert await transcript.is_resumable()


async def test_an_agents_own_entries_do_not_advance_the_transcript(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append("", [entry("a")])
    assert not await transcript.has_advanced()


async def test_entries_already_read_do_not_advance_the_transcript(transcripts: Transcripts) -> None:
    await transcripts.open(ONE).append("", [entry("a")])
    transcript = transcripts.open(ONE)
    await load(transcript)
    assert not await transcript.has_advanced()


async def test_entries_of_another_agent_advance_the_transcript(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append("", [entry("a")])
    await transcripts.open(ONE).append("", [entry("b")])
    assert await transcript.has_advanced()


async def test_deleting_a_session_removes_its_transcript(transcripts: Transcripts) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append("", [entry("a")])
    await transcript.append("subagents/agent-1", [entry("b")])
    await transcripts.delete_session(ONE)
    assert await load(transcript) is None
    assert await transcript.subagents() == []


async def test_entries_beyond_the_limit_are_refused_and_not_stored(
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
async def test_an_invalid_subagent_path_is_refused(transcripts: Transcripts, subpath: str) -> None:
    with pytest.raises(ValueError, match="subagent"):
        await transcripts.open(ONE).append(subpath, [entry("a")])


@pytest.mark.parametrize("odd", [1, None, [], {}, {"type": 1}, {"type": "a\0"}, {"type": "\ud800"}])
async def test_an_invalid_entry_is_refused(transcripts: Transcripts, odd: Any) -> None:
    with pytest.raises(ValueError, match="not an entry"):
        await transcripts.open(ONE).append("", [odd])


async def test_a_large_conversation_is_read_in_batches(
    transcripts: Transcripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("session.agent.transcript.CHUNK_BYTES", 100)
    transcript, names = transcripts.open(ONE), [f"{n:04}" for n in range(100)]
    await transcript.append("", [entry(name) for name in names])
    chunks = [[json.loads(row["entry"])["uuid"] for row in rows] async for rows in transcript.chunks()]
    assert [name for chunk in chunks for name in chunk] == names
    assert max(map(len, chunks)) <= 100 // len(json.dumps(entry("0000"))) + 1


async def test_a_conversation_is_written_in_the_layout_of_the_cli(transcripts: Transcripts, tmp_path: Path) -> None:
    transcript, metadata = transcripts.open(ONE), {"type": "agent_metadata", "agentType": "Plan"}
    await transcript.append("", [entry("a"), entry("b")])
    await transcript.append("subagents/agent-1", [entry("c"), metadata])
    await transcripts.open(ONE).write_to(tmp_path)
    assert {str(path.relative_to(tmp_path)): path.read_text() for path in files(tmp_path)} == {
        f"{ONE}.jsonl": "".join(f"{json.dumps(entry(name))}\n" for name in ("a", "b")),
        f"{ONE}/subagents/agent-1.jsonl": json.dumps(entry("c")) + "\n",
        f"{ONE}/subagents/agent-1.meta.json": json.dumps({"agentType": "Plan"}),
    }


async def test_a_stored_subagent_path_that_is_too_long_is_skipped(transcripts: Transcripts, tmp_path: Path) -> None:
    transcript = transcripts.open(ONE)
    await transcript.append("", [entry("a")])
    insert = "INSERT INTO transcript (session_id, subpath, type, entry) VALUES ($1, $2, 'user', '{}')"
    await transcripts.database.execute(insert, str(ONE), "subagents/" + "x" * 300)
    await transcript.write_to(tmp_path)
    assert [path.name for path in files(tmp_path)] == [f"{ONE}.jsonl"]


async def test_deleting_a_session_keeps_other_transcripts(transcripts: Transcripts) -> None:
    await transcripts.open(TWO).append("", [entry("a")])
    await transcripts.delete_session(ONE)
    assert await load(transcripts.open(TWO)) == [entry("a")]


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def entry(name: str) -> SessionStoreEntry:
    return {"type": "user", "uuid": name}


class FlakyDatabase:
    """A database of which two in three statements fail."""

    def __init__(self) -> None:
        self.statements = 0

    async def fetchval(self, *_: object) -> int:
        self.statements += 1
        if self.statements % 3:
            raise ConnectionRefusedError
        return 1

    async def fetchrow(self, *_: object) -> dict[str, Any]:
        return {"bytes": 1, "last": await self.fetchval()}

    async def fetch(self, *_: object) -> list[Any]:
        await self.fetchval()
        return []


async def test_a_short_outage_of_the_database_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "PAUSES", (0.0, 0.0))
    database = FlakyDatabase()
    transcript = Transcript(cast(Any, database), str(ONE))
    await transcript.append("", [entry("a")])
    assert (await load(transcript), await transcript.is_resumable(), await transcript.has_advanced()) == (
        None,
        True,
        False,
    )
    assert database.statements == 12


async def test_a_message_without_an_entry_is_dropped_if_its_agent_died(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript_module, "ENTRY_SECONDS", 0.05)
    transcript, entry = Transcript(cast(Any, None), "one"), new_id()
    assert await transcript.may_record(entry, lambda: True)
    assert not await transcript.may_record(entry, lambda: False)
    transcript.calls.note([{"type": "assistant", "uuid": str(entry)}])
    assert await transcript.may_record(entry, lambda: False)


async def test_forged_messages_do_not_stop_a_turn() -> None:
    transcript = Transcript(cast(Any, None), "one")
    async with asyncio.timeout(30):
        assert not any([await transcript.may_record(new_id(), lambda: False) for _ in range(1_000)])
