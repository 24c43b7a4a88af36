"""What a conversation has of a run whose worker was lost."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from contracts.session.conversation import RecordMessage, RecordToolResult
from contracts.session.settling import LostCall
from contracts.session.values import TextBlock, ToolUseBlock
from runtime.clock import new_id
from session.agent.agent_events import TRUNCATED
from session.agent.begun_calls import BegunCalls
from session.agent.bounds import MAX_BLOCKS, MAX_CONTENT_BYTES, MAX_NAME_CHARS, OMITTED
from session.agent.draft import SYNTHETIC_MODEL
from session.agent.tail import MAX_OUTPUT_CHARS, Tail, read_tail
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


def lost(tool: str = "Bash", id: str = "toolu_1") -> LostCall:
    return LostCall(tool_use_id=id, tool_name=tool, tool_input={"n": 1})


def tail_of(*entries: Any, begun: Iterable[LostCall] = (), subpath: str = "") -> Tail:
    """Return what entries say of a run that has `begun` calls."""
    tail = Tail(unsettled={call.tool_use_id: call for call in begun})
    tail.read([{"subpath": subpath, "entry": json.dumps(entry)} for entry in entries])
    return tail


def uncertain_of(tail: Tail) -> list[str]:
    return [call.tool_name for call in tail.uncertain]


@pytest.mark.parametrize(
    ("begun", "entries", "uncertain"),
    [
        ([lost()], [answer(call())], ["Bash"]),
        ([lost()], [answer(call()), result()], []),
        ([], [answer(call())], []),
        ([lost()], [], ["Bash"]),
        ([lost("Write")], [answer(call("Write"))], []),
        ([lost(), lost("Edit", "toolu_2")], [answer(call(), call("Edit", "toolu_2")), result("toolu_2")], ["Bash"]),
    ],
    ids=["open", "ended", "not begun", "only begun", "writes the same", "one of two"],
)
def test_a_call_is_uncertain_if_it_has_begun_and_has_no_result(
    begun: list[LostCall], entries: list[Any], uncertain: list[str]
) -> None:
    assert uncertain_of(tail_of(*entries, begun=begun)) == uncertain


def test_a_call_of_a_subagent_is_uncertain_and_its_messages_are_left_out() -> None:
    tail = tail_of(answer(TEXT, call()), begun=[lost()], subpath="subagents/agent-1")
    assert (uncertain_of(tail), tail.messages) == (["Bash"], [])


def test_each_call_that_nothing_else_has_is_added_as_a_message() -> None:
    (tail := tail_of(begun=[lost(), lost(id="toolu_2")])).add_missing(set())
    message, _ = tail.messages
    [block] = message.blocks
    assert isinstance(block, ToolUseBlock)
    assert (block.id, block.name, block.input, message.model) == ("toolu_1", "Bash", {"n": 1}, SYNTHETIC_MODEL)


@pytest.mark.parametrize(("entries", "recorded"), [([answer(call())], set[str]()), ([], {"toolu_1"})])
def test_a_call_that_has_a_message_is_not_added(entries: list[Any], recorded: set[str]) -> None:
    (tail := tail_of(*entries, begun=[lost()])).add_missing(recorded)
    assert len(tail.messages) == len(entries)


def test_the_blocks_of_a_message_are_put_together() -> None:
    first, second, other = answer(TEXT), answer(call()), answer(TEXT, message="msg_2")
    messages = tail_of(first, second, result(), other).messages
    assert [[type(block) for block in each.blocks] for each in messages] == [[TextBlock, ToolUseBlock], [TextBlock]]
    assert [str(each.entry_id) for each in messages] == [first["uuid"], other["uuid"]]


def test_blocks_too_large_for_one_event_are_in_several_messages() -> None:
    long = {"type": "text", "text": "x" * 1_500_000}
    entries = [answer(long, TEXT), answer(long), answer(long), answer(TEXT)]
    first, second = tail_of(*entries).messages
    assert [[len(block.encoded()) > 1_500_000 for block in each.blocks] for each in (first, second)] == [
        [True, False, True],
        [True, False],
    ]
    assert [str(each.entry_id) for each in (first, second)] == [entries[0]["uuid"], entries[2]["uuid"]]


def test_blocks_of_an_entry_too_large_for_an_event_are_left_out() -> None:
    forged = answer({"type": "text", "text": "x" * MAX_CONTENT_BYTES})
    [message] = tail_of(forged, answer(TEXT)).messages
    assert message.blocks == [TextBlock(text="Hello.")]


def test_a_message_has_no_more_blocks_than_are_stored_at_once() -> None:
    too_many = [TEXT] * (MAX_BLOCKS + 1)
    messages = tail_of(answer(*too_many), answer(*too_many[1:]), answer(TEXT)).messages
    assert [len(message.blocks) for message in messages] == [MAX_BLOCKS, 1]


def test_the_newest_messages_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("session.agent.tail.MAX_MESSAGES", 2)
    entries = [answer(TEXT, message=f"msg_{n}") for n in range(3)]
    assert [str(each.entry_id) for each in tail_of(*entries).messages] == [each["uuid"] for each in entries[1:]]


def test_of_a_forged_model_the_beginning_is_kept() -> None:
    [message] = tail_of(answer(TEXT, model="m" * 2**20)).messages
    assert message.model == "m" * MAX_NAME_CHARS


def test_a_complete_answer_ends_the_turn() -> None:
    assert tail_of(answer(TEXT, stop_reason="end_turn")).ended
    assert not tail_of(answer(TEXT)).ended
    assert not tail_of(answer(call(), stop_reason="tool_use"), result()).ended


def test_the_result_of_a_call_is_as_it_was_returned() -> None:
    stored = tail_of(answer(call()), result(is_error=True)).results["toolu_1"]
    assert (stored.output, stored.is_error) == ({"content": "out"}, True)


def test_the_outputs_of_the_newest_results_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("session.agent.tail.MAX_RESULT_CHARS", 6)
    tail = tail_of(*(result(f"toolu_{n}", is_error=True) for n in range(3)))
    assert [each.output for each in tail.results.values()] == [OMITTED, {"content": "out"}, {"content": "out"}]
    assert all(each.is_error for each in tail.results.values())


@pytest.mark.parametrize("fields", [{"content": [{"text": ["\x7f" * 1_700_000]}]}, {"id": "x" * 2**22}])
def test_an_output_too_large_for_an_event_is_left_out(fields: dict[str, Any]) -> None:
    tail = tail_of(result("toolu_1"), result(**{"id": "toolu_2", **fields}), result("toolu_3"))
    assert [each.output for each in tail.results.values()] == [{"content": "out"}, OMITTED, {"content": "out"}]


def test_the_newest_results_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("session.agent.tail.MAX_RESULTS", 2)
    assert [*tail_of(*(result(f"toolu_{n}") for n in range(3))).results] == ["toolu_1", "toolu_2"]


DEEP: Any = json.loads("[" * 3_000 + "]" * 3_000)
FORGED: list[Any] = [
    *({"type": "user"}, {"type": "assistant", "message": {"content": [1, {}]}}, [], "x"),
    *(result(content=["x", 1]), {"type": "user", "more": DEEP}, {"type": "assistant", "message": {"content": DEEP}}),
    answer(call() | {"input": {"n": DEEP}}, message=DEEP, model=DEEP) | {"uuid": DEEP},
]


@pytest.mark.parametrize("forged", FORGED)
def test_forged_entries_are_skipped(forged: Any) -> None:
    assert tail_of(forged, answer(TEXT)).messages[-1].blocks == [TextBlock(text="Hello.")]


@pytest.mark.parametrize(("content", "output"), [(["x", 1], {"content": "x\n1"}), (DEEP, TRUNCATED)])
def test_a_forged_result_has_some_output(content: Any, output: dict[str, Any]) -> None:
    assert tail_of(result(content=content)).results["toolu_1"].output == output


async def test_the_tail_begins_after_the_prompt_of_the_run(desk: Desk) -> None:
    run = await start(desk, await desk.create())
    messages = await desk.database.fetch("SELECT id FROM messages WHERE run_id = $1", run.id)
    transcript = opened(Transcripts(desk.database), run)
    assert not (await read_tail(desk.database, run.session_id, run.id)).begun
    prompt = {"type": "user", "uuid": str(messages[0]["id"]), "message": {"content": "Hi"}}
    await transcript.append("", [answer(TEXT), prompt, answer(call())])
    tail = await read_tail(desk.database, run.session_id, run.id)
    assert (tail.begun, [type(block) for each in tail.messages for block in each.blocks]) == (True, [ToolUseBlock])


async def test_a_call_that_only_has_begun_is_recorded_once_and_may_return(desk: Desk) -> None:
    run = await start(desk, await desk.create())
    assert await BegunCalls(desk.database, run.session_id, lambda: (run.id, run.attempt)).store(lost())
    [message] = (await read_tail(desk.database, run.session_id, run.id)).messages
    about: dict[str, Any] = {"session_id": run.session_id, "run_id": run.id, "attempt": run.attempt}
    await desk.send(RecordMessage(**about, message_id=new_id(), blocks=message.blocks, model=message.model))
    tail = await read_tail(desk.database, run.session_id, run.id)
    assert (tail.messages, uncertain_of(tail), tail.returned) == ([], ["Bash"], {})
    output = {"content": "x" * 10_000}
    await desk.send(RecordToolResult(**about, tool_use_id="toolu_1", output=output, is_error=True, duration_ms=1))
    tail = await read_tail(desk.database, run.session_id, run.id)
    assert tail.returned == {"toolu_1": "x" * MAX_OUTPUT_CHARS}
