"""What a conversation has of a run whose worker was lost."""

import json
from typing import Any

import pytest
from contracts.session.values import TextBlock, ToolUseBlock
from runtime.clock import new_id
from session.agent.tail import MAX_UNSETTLED, Tail, read_tail
from session.agent.transcript import Transcripts

from services.session.tests.desk import Desk
from services.session.tests.test_transcript_fence import opened, start

TEXT = {"type": "text", "text": "Hello."}


def call(tool: str = "Bash", id: str = "toolu_1") -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": tool, "input": {"n": 1}}


def result(id: str = "toolu_1", **fields: Any) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": id, "content": "out", **fields}
    return {"type": "user", "uuid": str(new_id()), "message": {"role": "user", "content": [block]}}


def answer(*blocks: dict[str, Any], message: str = "msg_1", **fields: Any) -> dict[str, Any]:
    content = {"id": message, "model": "m", "content": [*blocks], "stop_reason": None, **fields}
    return {"type": "assistant", "uuid": str(new_id()), "message": content}


def tail_of(*entries: Any, subpath: str = "") -> Tail:
    tail = Tail()
    tail.read([{"subpath": subpath, "entry": json.dumps(entry)} for entry in entries])
    return tail


def recorded(tail: Tail) -> Tail:
    """Return the tail of a conversation whose messages are all recorded."""
    tail.messages = []
    return tail


def uncertain_of(tail: Tail) -> list[str]:
    return [call.tool_name for call in tail.uncertain]


@pytest.mark.parametrize(
    ("entries", "uncertain"),
    [
        ([answer(call())], ["Bash"]),
        ([answer(call()), result()], []),
        ([answer(call("Read"))], []),
        ([answer(call("Write"))], []),
        ([answer(call(), call("Write", "toolu_2")), result("toolu_2")], ["Bash"]),
    ],
    ids=["open", "ended", "changes nothing", "writes the same", "one of two"],
)
def test_a_call_without_a_result_is_uncertain_if_it_may_change_something(
    entries: list[Any], uncertain: list[str]
) -> None:
    assert uncertain_of(recorded(tail_of(*entries))) == uncertain


def test_a_call_whose_message_is_not_recorded_has_not_begun() -> None:
    assert tail_of(answer(call())).uncertain == []


def test_a_call_of_a_subagent_is_uncertain_and_its_messages_are_left_out() -> None:
    tail = tail_of(answer(TEXT, call()), subpath="subagents/agent-1")
    assert (uncertain_of(tail), tail.messages) == (["Bash"], [])


def test_the_blocks_of_a_message_are_put_together() -> None:
    first, second, other = answer(TEXT), answer(call()), answer(TEXT, message="msg_2")
    messages = tail_of(first, second, result(), other).messages
    assert [[type(block) for block in each.blocks] for each in messages] == [[TextBlock, ToolUseBlock], [TextBlock]]
    assert [str(each.entry_id) for each in messages] == [first["uuid"], other["uuid"]]


def test_a_complete_answer_ends_the_turn() -> None:
    assert tail_of(answer(TEXT, stop_reason="end_turn")).ended
    assert not tail_of(answer(TEXT)).ended
    assert not tail_of(answer(call(), stop_reason="tool_use"), result()).ended


def test_the_result_of_a_call_is_as_it_was_returned() -> None:
    stored = tail_of(answer(call()), result(is_error=True)).results["toolu_1"]
    assert (stored.output, stored.is_error) == ({"content": "out"}, True)


def test_calls_without_a_result_are_bounded() -> None:
    forged = [call(id=f"toolu_{n}") for n in range(MAX_UNSETTLED + 1)]
    assert len(tail_of(answer(*forged)).unsettled) == MAX_UNSETTLED


FORGED: list[Any] = [{"type": "user"}, {"type": "assistant", "message": {"content": [1, {}]}}, [], "x"]


@pytest.mark.parametrize("forged", FORGED)
def test_forged_entries_are_skipped(forged: Any) -> None:
    assert tail_of(forged, answer(TEXT)).messages[-1].blocks == [TextBlock(text="Hello.")]


async def test_the_tail_begins_after_the_prompt_of_the_run(desk: Desk) -> None:
    run = await start(desk, await desk.create())
    messages = await desk.database.fetch("SELECT id FROM messages WHERE run_id = $1", run.id)
    transcript = opened(Transcripts(desk.database), run)
    assert not (await read_tail(desk.database, run.session_id, run.id)).begun
    prompt = {"type": "user", "uuid": str(messages[0]["id"]), "message": {"content": "Hi"}}
    await transcript.append("", [answer(call("Write")), prompt, answer(call())])
    tail = await read_tail(desk.database, run.session_id, run.id)
    assert (tail.begun, uncertain_of(recorded(tail))) == (True, ["Bash"])
