"""What is recorded of an agent whose output is forged: never more at once than an event, a row or a reader can take."""

import json
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import claude_agent_sdk as sdk
import pytest
from contracts.refusals import Code
from contracts.session.deltas import MAX_DELTA_CHARS
from contracts.session.values import TextBlock, ToolUseBlock
from session.agent import AgentEvent, AssistantMessage, Limits, ToolReturned, bounds, stored_calls
from session.agent import frames as frames_module
from session.agent import translator as translator_module
from session.agent.agent_events import TRUNCATED, Delta
from session.agent.bounds import MAX_BLOCKS, MAX_NAME_CHARS, OMITTED
from session.agent.failures import AgentFailed
from session.agent.frames import Frames
from session.agent.stored_calls import StoredCalls
from session.agent.transcript import Transcript
from session.agent.translator import MessageTranslator

LONG = "x" * (MAX_NAME_CHARS + 1)
VALUES = [1e15] * 50_001
TEXT: dict[str, Any] = {"type": "text", "text": "x"}
MESSAGE: dict[str, Any] = {"type": "assistant", "message": {"model": "m", "content": [TEXT]}}


def said(*texts: str, parent: str | None = None) -> sdk.AssistantMessage:
    return sdk.AssistantMessage([sdk.TextBlock(text) for text in texts], "m", parent)


def translated(*messages: sdk.Message) -> list[AgentEvent]:
    translator = MessageTranslator()
    return [*(event for each in messages for event in translator.translate(each)), *translator.end()]


def texts(events: Iterable[AgentEvent]) -> list[str]:
    """Return the texts of all messages."""
    blocks = [block for event in events if isinstance(event, AssistantMessage) for block in event.blocks]
    return [block.text for block in blocks if isinstance(block, TextBlock)]


def use(name: str = "T", tool_input: dict[str, Any] | None = None) -> ToolUseBlock:
    """Return what is recorded of a call."""
    [message] = translated(sdk.AssistantMessage([sdk.ToolUseBlock("id", name, tool_input or {})], model=LONG))
    assert isinstance(message, AssistantMessage)
    assert message.model == LONG[:-1]
    [block] = message.blocks
    assert isinstance(block, ToolUseBlock)
    return block


def returned(content: Any, id: str = "id") -> dict[str, Any]:
    """Return what is recorded of the output of a call."""
    [event] = translated(sdk.UserMessage([sdk.ToolResultBlock(id, content)]))
    assert isinstance(event, ToolReturned)
    return event.output


@pytest.mark.parametrize(
    ("name", "limit", "added"), [("MAX_BLOCKS", 3, ["c", "d"]), ("MAX_CONTENT_BYTES", 200, ["c" * 200])]
)
def test_a_message_that_grows_too_large_fails(
    monkeypatch: pytest.MonkeyPatch, name: str, limit: int, added: list[str]
) -> None:
    monkeypatch.setattr(bounds, name, limit)
    translator = MessageTranslator()
    assert [*translator.translate(said("a")), *translator.translate(said("b"))] == []
    with pytest.raises(AgentFailed) as failed:
        list(translator.translate(said(*added)))
    assert failed.value.code is Code.RUN_TOO_LARGE
    assert texts(translator.end()) == ["a", "b"]


def test_messages_that_are_large_only_together_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_BLOCKS", 2)
    events = translated(said("a", "b"), sdk.UserMessage("next"), said("c", "d"), said("e", "f", parent="toolu_1"))
    assert texts(events) == ["a", "b", "e", "f", "c", "d"]


def test_a_message_of_a_subagent_with_too_many_blocks_fails() -> None:
    with pytest.raises(AgentFailed):
        translated(said(*"x" * (MAX_BLOCKS + 1), parent="toolu_1"))


@pytest.mark.parametrize(
    ("content", "id"), [([{"text": ["\x7f" * 1_700_000]}], "id"), ("x", "x" * 2**22)], ids=["its output", "its id"]
)
def test_a_result_too_large_for_an_event_has_no_output(content: Any, id: str) -> None:
    assert returned(content, id) == OMITTED


def test_the_input_of_a_call_with_too_many_values_is_replaced() -> None:
    assert use(tool_input={"n": VALUES}).input == TRUNCATED


def test_the_output_of_a_call_with_too_many_values_is_replaced() -> None:
    assert returned(VALUES) == TRUNCATED


def test_of_the_name_of_a_tool_the_beginning_is_recorded() -> None:
    assert use(LONG).name == LONG[:-1]


def test_of_a_streamed_piece_the_beginning_is_published() -> None:
    event = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "x" * (MAX_DELTA_CHARS + 1)}}
    delta, _ = translated(sdk.StreamEvent(uuid="", session_id="", event=event))
    assert isinstance(delta, Delta)
    assert delta.text == "x" * MAX_DELTA_CHARS


def test_the_number_of_denied_calls_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translator_module, "MAX_CALLS", 2)
    translator = MessageTranslator()
    for n in range(3):
        translator.note_denied(f"toolu_{n}")
    assert len(translator._denied) == 2  # pyright: ignore[reportPrivateUsage]


def test_more_calls_of_a_turn_may_be_denied_than_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translator_module, "MAX_CALLS", 1)
    translator, denied = MessageTranslator(), list[bool]()
    for id in ("toolu_1", "toolu_2"):
        translator.note_denied(id)
        [returned] = translator.translate(sdk.UserMessage([sdk.ToolResultBlock(id, "no", is_error=True)]))
        assert isinstance(returned, ToolReturned)
        denied.append(returned.denied)
    assert denied == [True, True]


def test_the_number_of_stored_calls_that_are_known_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_calls, "MAX_STORED", 2)
    calls = StoredCalls()
    calls.note([{"message": {"content": [{"type": "tool_use", "id": f"toolu_{n}"} for n in range(3)]}}])
    assert (len(calls.open), len(calls._stored)) == (2, 2)  # pyright: ignore[reportPrivateUsage]


async def failures(tmp_path: Path, line: bytes, limits: Limits) -> list[Code]:
    """Return why an agent fails that writes this line."""
    failed, transcript = list[AgentFailed](), Mock(Transcript, append=AsyncMock())
    transcript.name = "s"

    class Written(Frames):
        async def _lines(self) -> AsyncGenerator[bytes]:
            yield line

    frames = Written(sdk.ClaudeAgentOptions(), cast(Transcript, transcript), tmp_path, limits, failed.append)
    assert [frame async for frame in frames.read_messages()] == []
    return [each.code for each in failed]


@pytest.mark.parametrize(("blocks", "codes"), [(10, []), (11, [Code.RUN_TOO_LARGE])])
@pytest.mark.parametrize("kind", ["assistant", "user"])
async def test_each_block_of_a_message_counts(tmp_path: Path, kind: str, blocks: int, codes: list[Code]) -> None:
    frame = {"type": kind, "message": {"content": [TEXT] * blocks}}
    assert await failures(tmp_path, json.dumps(frame).encode(), Limits(run_records=10)) == codes


@pytest.mark.parametrize(("entries", "codes"), [(10, []), (11, [Code.RUN_TOO_LARGE])])
async def test_each_entry_of_a_conversation_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: int, codes: list[Code]
) -> None:
    monkeypatch.setattr(frames_module, "ENTRY_OVERHEAD_BYTES", 1000)
    frame = {"type": "transcript_mirror", "filePath": f"{tmp_path}/x/s.jsonl", "entries": [0] * entries}
    assert await failures(tmp_path, json.dumps(frame).encode(), Limits(run_bytes=10_000)) == codes


@pytest.mark.parametrize(("encoding", "codes"), [("utf-8", []), ("utf-16-le", [Code.AGENT_FAILED])])
async def test_a_frame_in_another_encoding_is_invalid(tmp_path: Path, encoding: str, codes: list[Code]) -> None:
    assert await failures(tmp_path, json.dumps(MESSAGE).encode(encoding), Limits()) == codes
