"""What the SDK's messages mean, whatever an agent writes into them."""

import json
from typing import Any

import claude_agent_sdk as sdk
import pytest
from contracts.refusals import Code
from contracts.session.values import TextBlock, ThinkingBlock, ToolUseBlock
from session.agent.telling import CUT, TOO_DEEP, AssistantMessage, Delta, Finished, MessageTranslator, ToolReturned

LONE = json.loads('"a\\ud83d"')
CLEAN = "a\ufffd"
END = sdk.StreamEvent(uuid="", session_id="", event={"type": "message_delta"})


def spoken(teller: MessageTranslator, message: sdk.AssistantMessage) -> AssistantMessage:
    """Give what is told of a message at its end."""
    [said] = [told for each in (message, END) for told in teller.tell(each)]
    assert isinstance(said, AssistantMessage)
    return said


def test_lone_surrogates_are_replaced_in_messages() -> None:
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


def test_lone_surrogates_are_replaced_in_tool_results() -> None:
    teller = MessageTranslator()
    spoken(teller, sdk.AssistantMessage(content=[sdk.ToolUseBlock(LONE, "T", {})], model="m"))
    result = sdk.UserMessage(content=[sdk.ToolResultBlock(LONE, [{"type": "text", "text": LONE}])])
    [returned] = teller.tell(result)
    assert isinstance(returned, ToolReturned)
    assert (returned.tool_use_id, returned.output) == (CLEAN, {"content": CLEAN})
    assert not teller._begun  # pyright: ignore[reportPrivateUsage]


def test_lone_surrogates_are_replaced_in_deltas() -> None:
    event = {"delta": {"type": "text_delta", "text": LONE}}
    assert [*MessageTranslator().tell(sdk.StreamEvent(uuid="", session_id="", event=event))] == [Delta(CLEAN)]


def test_surrogate_pairs_are_kept() -> None:
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
    [finished] = MessageTranslator(structured=True).tell(result)
    assert isinstance(finished, Finished)
    return finished


def test_a_structured_output_of_the_maximum_depth_is_kept() -> None:
    assert answering(nested(64)).structured_output == nested(64)


@pytest.mark.parametrize("levels", [65, 225, 5_000])
def test_a_structured_output_that_is_too_deep_is_not_valid(levels: int) -> None:
    finished = answering(nested(levels))
    told = finished.structured_output, finished.error_code, finished.error_detail
    assert told == (None, Code.OUTPUT_NOT_VALID, TOO_DEEP)


@pytest.mark.parametrize(("levels", "kept"), [(64, nested(64)), (65, CUT), (225, CUT), (5_000, CUT)])
def test_a_tool_input_that_is_too_deep_is_replaced(levels: int, kept: Any) -> None:
    said = spoken(MessageTranslator(), sdk.AssistantMessage([sdk.ToolUseBlock("id", "T", nested(levels))], model="m"))
    [call] = said.blocks
    assert isinstance(call, ToolUseBlock)
    assert call.input == kept


def test_a_tool_output_that_is_too_deep_is_replaced() -> None:
    parts = [{"type": "text", "text": nested(5_000)}]
    [returned] = MessageTranslator().tell(sdk.UserMessage([sdk.ToolResultBlock("id", parts)]))
    assert isinstance(returned, ToolReturned)
    assert returned.output == CUT
