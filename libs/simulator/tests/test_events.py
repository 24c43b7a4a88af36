import json
from typing import Any

from simulator.events import Cut, Pause, Step, steps
from simulator.script import ToolCall, Turn
from simulator.wire import message


def play(turn: Turn) -> list[Step]:
    return list(steps(message(turn, "m", 40), turn))


def summary(turn: Turn) -> list[object]:
    """Return the deltas, and the pauses and faults between them."""
    shown: list[object] = []
    for step in play(turn):
        if not isinstance(step, dict):
            shown.append(step)
        elif step["type"] == "content_block_delta":
            shown.append(step["delta"].get("text", step["delta"]["type"]))
    return shown


def events(turn: Turn, kind: str) -> list[dict[str, Any]]:
    return [step for step in play(turn) if isinstance(step, dict) and step["type"] == kind]


def test_a_text_has_the_events_of_the_api() -> None:
    assert [step["type"] for step in play(Turn(text="hi")) if isinstance(step, dict)] == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_a_stream_starts_with_an_empty_message() -> None:
    (start,) = events(Turn(text="hi"), "message_start")

    assert (start["message"]["content"], start["message"]["stop_reason"], start["message"]["model"]) == ([], None, "m")


def test_blocks_start_empty() -> None:
    turn = Turn(thinking="hm", text="hi", tools=(ToolCall(name="Read", input={"file_path": "/a"}),))

    assert [
        {field: value for field, value in event["content_block"].items() if field != "id"}
        for event in events(turn, "content_block_start")
    ] == [
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "text", "text": ""},
        {"type": "tool_use", "name": "Read", "input": {}},
    ]


def test_thinking_comes_first_and_is_signed() -> None:
    assert summary(Turn(text="hi", thinking="hm")) == ["thinking_delta", "signature_delta", "hi"]


def test_the_input_of_a_tool_is_sent_as_json() -> None:
    turn = Turn(tools=(ToolCall(name="Read", input={"file_path": "/a"}),))
    (event,) = events(turn, "content_block_delta")

    assert json.loads(event["delta"]["partial_json"]) == {"file_path": "/a"}


def test_every_tool_has_its_own_index() -> None:
    turn = Turn(tools=(ToolCall(name="A"), ToolCall(name="B")))

    assert [event["index"] for event in events(turn, "content_block_stop")] == [0, 1]


def test_a_text_is_split_into_chunks() -> None:
    assert summary(Turn(text="abcdefg", chunks=3)) == ["abc", "def", "g"]


def test_a_slow_stream_pauses_after_every_chunk() -> None:
    assert summary(Turn(text="ab", chunks=2, chunk_delay=1)) == ["a", Pause(1), "b", Pause(1)]


def test_an_empty_text_is_one_empty_chunk() -> None:
    assert summary(Turn(text="")) == [""]


def test_a_stall_comes_after_half_of_the_text() -> None:
    assert summary(Turn(thinking="hm", text="abcd", stall=9)) == [
        "thinking_delta",
        "signature_delta",
        "ab",
        Pause(9),
        "cd",
    ]


def test_a_cut_comes_after_half_of_the_text() -> None:
    assert summary(Turn(text="abcd", chunks=4, cut=True)) == ["a", "b", Cut(), "c", "d"]


def test_a_cut_of_a_tool_comes_before_its_input() -> None:
    assert summary(Turn(tools=(ToolCall(name="A"),), cut=True)) == [Cut(), "input_json_delta"]


def test_the_usage_of_the_output_comes_at_the_end() -> None:
    (end,) = events(Turn(text="hi", output_tokens=7), "message_delta")

    assert (end["usage"], end["delta"]["stop_reason"]) == ({"output_tokens": 7}, "end_turn")
