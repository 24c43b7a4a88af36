"""What of an event clients are shown."""

from typing import Any

import pytest
from contracts.session.conversation import MessageRecorded, ToolCallEnded, ToolCallStarted
from contracts.session.run import RunCompleted, RunRequested
from contracts.wire import MAX_INLINE_BYTES, PREVIEW_CHARACTERS
from gateway.streams.shown import shown

LONG = "\N{EURO SIGN}" * (MAX_INLINE_BYTES // 3 + 1)
SIZE = len(LONG.encode())
CUT = {"truncated": True, "size_bytes": SIZE}


@pytest.mark.parametrize("event", [MessageRecorded, RunRequested, ToolCallEnded, ToolCallStarted])
def test_what_is_small_is_shown_whole(event: Any):
    data = event.example().model_dump(mode="json")
    assert shown(data) == data


@pytest.mark.parametrize("name", ["tool_input", "tool_output", "structured_output"])
def test_a_large_value_is_shown_by_its_size_and_beginning(name: str):
    told = shown({name: {"content": LONG}})[name]
    assert (told["truncated"], told["size_bytes"]) == (True, SIZE + len('{"content": ""}'))
    assert told["preview"] == f'{{"content": "{LONG}'[:PREVIEW_CHARACTERS]


def test_output_that_is_not_there_stays_away():
    assert shown({"tool_output": None}) == {"tool_output": None}


@pytest.mark.parametrize("kind", ["text", "thinking"])
def test_long_words_of_the_agent_are_shown_by_their_beginning(kind: str):
    small = {"type": kind, kind: "short"}
    told = shown({"blocks": [small, {"type": kind, kind: LONG}]})
    assert told == {"blocks": [small, {"type": kind, kind: LONG[:PREVIEW_CHARACTERS]} | CUT]}


def test_a_large_input_within_a_message_is_shown_by_its_size_and_beginning():
    block = {"type": "tool_use", "id": "toolu_1", "name": "Write", "input": {"content": LONG}}
    [told] = shown({"blocks": [block]})["blocks"]
    assert told["input"]["truncated"]
    assert told | {"input": None} == block | {"input": None}


def test_long_words_of_the_user_are_shown_by_their_beginning():
    assert shown({"message": LONG}) == {"message": LONG[:PREVIEW_CHARACTERS]} | CUT


def test_money_is_a_number():
    data = RunCompleted.model_validate(RunCompleted.sample | {"usage": {"cost_usd": "0.0012"}}).model_dump(mode="json")
    assert shown(data)["usage"]["cost_usd"] == 0.0012
