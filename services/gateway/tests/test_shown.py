"""The form in which clients receive events."""

from typing import Any

from contracts.session.conversation import MessageRecorded, ToolCallEnded, ToolCallStarted
from contracts.session.run import RunCompleted, RunRequested
from contracts.task_scheduler.task import TaskCreated
from contracts.wire import MAX_INLINE_BYTES, PREVIEW_CHARACTERS
from gateway.streams.previews import preview

from services.gateway.tests.cases import each

LONG = "\N{EURO SIGN}" * (MAX_INLINE_BYTES // 3 + 1)
SIZE = len(LONG.encode())
CUT = {"truncated": True, "size_bytes": SIZE}


@each("event", [MessageRecorded, RunRequested, TaskCreated, ToolCallEnded, ToolCallStarted])
def test_small_events_are_not_truncated(event: Any):
    data = event.example().model_dump(mode="json")
    assert preview(data) == data


@each("name", ["tool_input", "tool_output", "structured_output"])
def test_a_large_value_is_replaced_by_its_size_and_beginning(name: str):
    value = preview({name: {"content": LONG}})[name]
    assert (value["truncated"], value["size_bytes"]) == (True, SIZE + len('{"content": ""}'))
    assert value["preview"] == f'{{"content": "{LONG}'[:PREVIEW_CHARACTERS]


def test_a_missing_output_stays_null():
    assert preview({"tool_output": None}) == {"tool_output": None}


@each("kind", ["text", "thinking"])
def test_long_text_of_the_agent_is_truncated(kind: str):
    small = {"type": kind, kind: "short"}
    value = preview({"blocks": [small, {"type": kind, kind: LONG}]})
    assert value == {"blocks": [small, {"type": kind, kind: LONG[:PREVIEW_CHARACTERS]} | CUT]}


def test_a_large_input_in_a_tool_use_block_is_truncated():
    block = {"type": "tool_use", "id": "toolu_1", "name": "Write", "input": {"content": LONG}}
    [value] = preview({"blocks": [block]})["blocks"]
    assert value["input"]["truncated"]
    assert value | {"input": None} == block | {"input": None}


def test_a_long_message_of_the_user_is_truncated():
    assert preview({"message": LONG}) == {"message": LONG[:PREVIEW_CHARACTERS]} | CUT


def test_long_prompts_and_variables_of_a_task_are_truncated():
    definition = preview({"definition": {"prompt_template": LONG, "variables": {"log": LONG}}})["definition"]
    assert definition["prompt_template"] == LONG[:PREVIEW_CHARACTERS]
    assert (definition["truncated"], definition["variables"]["truncated"]) == (True, True)


def test_a_long_prompt_of_an_execution_is_truncated():
    assert preview({"prompt": LONG}) == {"prompt": LONG[:PREVIEW_CHARACTERS]} | CUT


def test_costs_are_numbers():
    data = RunCompleted.model_validate(RunCompleted.sample | {"usage": {"cost_usd": "0.0012"}}).model_dump(mode="json")
    assert preview(data)["usage"]["cost_usd"] == 0.0012
