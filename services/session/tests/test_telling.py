"""What the SDK's messages mean, whatever an agent writes into them."""

import json

import claude_agent_sdk as sdk
from contracts.session.values import TextBlock, ThinkingBlock, ToolUseBlock
from session.agent.telling import Delta, Said, Teller, ToolReturned

LONE = json.loads('"a\\ud83d"')
CLEAN = "a\ufffd"
END = sdk.StreamEvent(uuid="", session_id="", event={"type": "message_delta"})


def spoken(teller: Teller, message: sdk.AssistantMessage) -> Said:
    """Give what is told of a message at its end."""
    [said] = [told for each in (message, END) for told in teller.tell(each)]
    assert isinstance(said, Said)
    return said


def test_half_a_character_is_replaced_wherever_an_agent_writes_it() -> None:
    teller, given = Teller(), {LONE: [{"deep": LONE}, 1]}
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
    teller = Teller()
    spoken(teller, sdk.AssistantMessage(content=[sdk.ToolUseBlock(LONE, "T", {})], model="m"))
    result = sdk.UserMessage(content=[sdk.ToolResultBlock(LONE, [{"type": "text", "text": LONE}])])
    [returned] = teller.tell(result)
    assert isinstance(returned, ToolReturned)
    assert (returned.tool_use_id, returned.output) == (CLEAN, {"content": CLEAN})
    assert not teller._begun  # pyright: ignore[reportPrivateUsage]


def test_half_a_character_is_replaced_in_words_that_are_being_said() -> None:
    event = {"delta": {"type": "text_delta", "text": LONE}}
    assert [*Teller().tell(sdk.StreamEvent(uuid="", session_id="", event=event))] == [Delta(CLEAN)]


def test_whole_characters_stay_as_they_are() -> None:
    whole = sdk.TextBlock(json.loads('"\\ud83d\\ude00"'))
    said = spoken(Teller(), sdk.AssistantMessage(content=[whole], model="m"))
    assert said.blocks == [TextBlock(text="\U0001f600")]
