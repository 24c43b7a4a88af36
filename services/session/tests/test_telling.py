"""What the SDK's messages mean, whatever an agent writes into them."""

import json
from typing import Any

import claude_agent_sdk as sdk
import pytest
from contracts.refusals import Code
from contracts.session.values import TextBlock, ThinkingBlock, ToolUseBlock
from session.agent.agent_events import (
    OUTPUT_TOO_DEEP,
    TRUNCATED,
    AssistantMessage,
    Delta,
    Finished,
    MessageTranslator,
    ToolReturned,
)

LONE = json.loads('"a\\ud83d"')
CLEAN = "a\ufffd"
END = sdk.StreamEvent(uuid="", session_id="", event={"type": "message_delta"})


def spoken(teller: MessageTranslator, message: sdk.AssistantMessage) -> AssistantMessage:
    """Give what is told of a message at its end."""
    [said] = [told for each in (message, END) for told in teller.translate(each)]
    assert isinstance(said, AssistantMessage)
    return said


def test_half_a_character_is_replaced_wherever_an_agent_writes_it() -> None:
    teller, given = MessageTranslator(), {LONE: [{"deep": LONE}, 1]}
    blocks: list[sdk.ContentBlock] = [
        sdk.TextBlock(LONE),
        sdk.ThinkingBlock(LONE, ""),
        sdk.ToolUseBlock(LONE, LONE, given),
    ]
    said = spoken(teller, sdk.AssistantMessage(content=blocks, model=LONE))
    text, thought, call = said.blocks
    assert (text, thought, said.model) == (TextBlock(text=CLEAN), ThinkingBlock(thinking=CLEAN), CLEAN)
    assert isinstance(call, ToolUseBlock)
    assert (call.id, call.name, call.input) == (CLEAN, CLEAN, {CLEAN: [{"deep": CLEAN}, 1]})


def test_half_a_character_is_replaced_in_what_a_tool_gave_and_its_call_is_found() -> None:
    teller = MessageTranslator()
    spoken(teller, sdk.AssistantMessage(content=[sdk.ToolUseBlock(LONE, "T", {})], model="m"))
    result = sdk.UserMessage(content=[sdk.ToolResultBlock(LONE, [{"type": "text", "text": LONE}])])
    [returned] = teller.translate(result)
    assert isinstance(returned, ToolReturned)
    assert (returned.tool_use_id, returned.output) == (CLEAN, {"content": CLEAN})
    assert not teller._started  # pyright: ignore[reportPrivateUsage]


def test_half_a_character_is_replaced_in_words_that_are_being_said() -> None:
    event = {"delta": {"type": "text_delta", "text": LONE}}
    assert [*MessageTranslator().translate(sdk.StreamEvent(uuid="", session_id="", event=event))] == [Delta(CLEAN)]


def test_whole_characters_stay_as_they_are() -> None:
    whole = sdk.TextBlock(json.loads('"\\ud83d\\ude00"'))
    said = spoken(MessageTranslator(), sdk.AssistantMessage(content=[whole], model="m"))
    assert said.blocks == [TextBlock(text="\U0001f600")]


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def answering(output: Any) -> Finished:
    result = sdk.ResultMessage("success", 1, 1, is_error=False, num_turns=1, session_id="s", structured_output=output)
    [finished] = MessageTranslator(structured=True).translate(result)
    assert isinstance(finished, Finished)
    return finished


def test_an_answer_as_deep_as_is_allowed_is_kept() -> None:
    assert answering(nested(64)).structured_output == nested(64)


@pytest.mark.parametrize("levels", [65, 225, 5_000])
def test_an_answer_that_is_nested_too_deep_is_not_valid(levels: int) -> None:
    finished = answering(nested(levels))
    told = finished.structured_output, finished.error_code, finished.error_detail
    assert told == (None, Code.OUTPUT_NOT_VALID, OUTPUT_TOO_DEEP)


@pytest.mark.parametrize(("levels", "kept"), [(64, nested(64)), (65, TRUNCATED), (225, TRUNCATED), (5_000, TRUNCATED)])
def test_of_a_tools_input_that_is_nested_too_deep_only_that_is_told(levels: int, kept: Any) -> None:
    said = spoken(MessageTranslator(), sdk.AssistantMessage([sdk.ToolUseBlock("id", "T", nested(levels))], model="m"))
    [call] = said.blocks
    assert isinstance(call, ToolUseBlock)
    assert call.input == kept


def test_of_a_tools_output_that_is_nested_too_deep_only_that_is_told() -> None:
    parts = [{"type": "text", "text": nested(5_000)}]
    [returned] = MessageTranslator().translate(sdk.UserMessage([sdk.ToolResultBlock("id", parts)]))
    assert isinstance(returned, ToolReturned)
    assert returned.output == TRUNCATED
