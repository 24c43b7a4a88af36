"""The translation of messages of the SDK into events, with any content."""

import json
from itertools import chain, repeat
from typing import Any, cast
from unittest.mock import Mock
from uuid import UUID

import claude_agent_sdk as sdk
import pytest
from contracts.refusals import Code
from contracts.session.values import TextBlock, ThinkingBlock, ToolUseBlock
from session.agent import call_times, draft
from session.agent.agent_events import TRUNCATED, AssistantMessage, Delta, Finished, ToolReturned
from session.agent.call_times import CallTimes
from session.agent.model_proxy import Tokens
from session.agent.reported import MAX_COST_USD, MAX_DURATION_MS, MAX_TOKENS
from session.agent.translator import OUTPUT_TOO_COMPLEX, MessageTranslator

LONE_SURROGATE = json.loads('"a\\ud83d"')
CLEAN = "a\ufffd"
ENTRY = "0197a1f0-0000-7000-8000-00000000000e"
START = sdk.StreamEvent(uuid="", session_id="", event={"type": "message_start", "message": {"model": "claude"}})
END = sdk.StreamEvent(uuid="", session_id="", event={"type": "message_delta"})


def streamed(kind: str, text: str) -> sdk.StreamEvent:
    """Return the event of a piece of a message."""
    event = {"type": "content_block_delta", "delta": {"type": f"{kind}_delta", kind: text}}
    return sdk.StreamEvent(uuid="", session_id="", event=event)


def translate(translator: MessageTranslator, message: sdk.AssistantMessage) -> AssistantMessage:
    """Return the event of a complete message."""
    [event] = [event for each in (message, END) for event in translator.translate(each)]
    assert isinstance(event, AssistantMessage)
    return event


def test_lone_surrogates_are_replaced_in_messages() -> None:
    translator, tool_input = MessageTranslator(), {LONE_SURROGATE: [{"deep": LONE_SURROGATE}, 1]}
    blocks: list[sdk.ContentBlock] = [
        sdk.TextBlock(LONE_SURROGATE),
        sdk.ThinkingBlock(LONE_SURROGATE, ""),
        sdk.ToolUseBlock(LONE_SURROGATE, LONE_SURROGATE, tool_input),
    ]
    message = translate(translator, sdk.AssistantMessage(content=blocks, model=LONE_SURROGATE))
    text, thought, call = message.blocks
    assert (text, thought, message.model) == (TextBlock(text=CLEAN), ThinkingBlock(thinking=CLEAN), CLEAN)
    assert isinstance(call, ToolUseBlock)
    assert (call.id, call.name, call.input) == (CLEAN, CLEAN, {CLEAN: [{"deep": CLEAN}, 1]})


def test_lone_surrogates_are_replaced_in_tool_results() -> None:
    translator = MessageTranslator()
    translate(translator, sdk.AssistantMessage(content=[sdk.ToolUseBlock(LONE_SURROGATE, "T", {})], model="m"))
    result = sdk.UserMessage(content=[sdk.ToolResultBlock(LONE_SURROGATE, [{"type": "text", "text": LONE_SURROGATE}])])
    [returned] = translator.translate(result)
    assert isinstance(returned, ToolReturned)
    assert (returned.tool_use_id, returned.output) == (CLEAN, {"content": CLEAN})
    assert not translator._times._begun  # pyright: ignore[reportPrivateUsage]


def duration(reported: object, ended: object, *, begun: bool = False) -> int:
    """Return how long a call took of which the agent wrote at these times, the service having let it begin at 100 s."""
    translator, call = MessageTranslator(), sdk.AssistantMessage([sdk.ToolUseBlock("id", "T", {})], model="m")
    if begun:
        translator.note_begun("id")
    list(translator.translate(call, reported))
    [*_, returned] = translator.translate(sdk.UserMessage([sdk.ToolResultBlock("id", "out")]), ended)
    assert isinstance(returned, ToolReturned)
    return returned.duration_ms


@pytest.mark.parametrize(
    ("reported", "ended", "begun", "expected"),
    [
        ("1970-01-01T00:01:30Z", "1970-01-01T00:01:30.250Z", False, 250),
        ("1970-01-01T00:01:30Z", "1970-01-01T00:01:40.250Z", True, 250),
        (None, None, True, 100_000),
        ("1970-01-01T00:01:30Z", "9999-01-01T00:00:00Z", False, 110_000),
        ("1970-01-01T00:01:30Z", "1970-01-01T00:01:20Z", False, 0),
        ("0001-01-01T00:00:00", "1970-01-01T00:01:40Z", False, 0),
        ("1900-01-01T00:00:00Z", "1970-01-01T00:01:40Z", False, MAX_DURATION_MS),
        (7, ["1970"], False, 100_000),
    ],
    ids=["as written", "since it began", "unwritten", "future", "backwards", "first day", "too long", "no times"],
)
def test_a_call_takes_until_its_result_is_written(
    monkeypatch: pytest.MonkeyPatch, reported: object, ended: object, begun: bool, expected: int
) -> None:
    monkeypatch.setattr(call_times, "time", Mock(time=Mock(side_effect=chain([100.0], repeat(200.0)))))
    assert duration(reported, ended, begun=begun) == expected


def test_a_result_says_when_its_call_has_ended() -> None:
    result = sdk.UserMessage([sdk.ToolResultBlock("id", "out")])
    [returned] = MessageTranslator().translate(result, "1970-01-01T00:01:40.250Z")
    assert isinstance(returned, ToolReturned)
    assert returned.ended == 100.25


def test_no_more_calls_are_timed_than_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_times, "MAX_CALLS", 1)
    times = CallTimes()
    for id in ("first", "second"):
        times.begin(id)
        times.report(id, None)
    assert list(times._begun) == ["first"]  # pyright: ignore[reportPrivateUsage]


def test_lone_surrogates_are_replaced_in_deltas() -> None:
    [delta] = MessageTranslator().translate(streamed("text", LONE_SURROGATE))
    assert isinstance(delta, Delta)
    assert delta.text == CLEAN


@pytest.mark.parametrize("kind", ["text", "thinking"])
def test_a_delta_names_the_message_that_it_becomes(kind: str) -> None:
    translator = MessageTranslator()
    [delta] = translator.translate(streamed(kind, "Hel"))
    message = translate(translator, sdk.AssistantMessage([sdk.TextBlock("Hello")], model="m", uuid=ENTRY))
    assert isinstance(delta, Delta)
    assert (delta.kind, delta.message_id) == (kind, message.message_id)
    assert (message.entry_id, message.incomplete) == (UUID(ENTRY), False)


def test_each_message_has_an_id_of_its_own() -> None:
    translator = MessageTranslator()
    blocks = [sdk.AssistantMessage([sdk.TextBlock("Hello")], model="m") for _ in range(2)]
    assert len({translate(translator, block).message_id for block in blocks}) == 2


def cut_off(*before: sdk.Message) -> list[Any]:
    """Return the events after the agent has sent these messages, and then only the result of the interrupted turn."""
    translator = MessageTranslator()
    for message in before:
        list(translator.translate(message))
    return [*translator.translate(sdk.UserMessage(content=[sdk.TextBlock("[Request interrupted by user]")]))]


def test_what_was_streamed_of_a_message_that_is_cut_off_is_kept() -> None:
    [message] = cut_off(START, streamed("thinking", "Hm"), streamed("text", "Hel"), streamed("text", "lo"))
    assert message.blocks == [ThinkingBlock(thinking="Hm"), TextBlock(text="Hello")]
    assert (message.model, message.incomplete) == ("claude", True)


def test_a_message_that_is_cut_off_has_its_complete_blocks_once() -> None:
    thought = sdk.AssistantMessage([sdk.ThinkingBlock("Hm", "")], model="m")
    [message] = cut_off(START, streamed("thinking", "Hm"), thought, streamed("text", "Hel"))
    assert message.blocks == [ThinkingBlock(thinking="Hm"), TextBlock(text="Hel")]


def test_a_block_that_an_interruption_delivers_is_incomplete() -> None:
    [message] = cut_off(START, streamed("text", "Hel"), sdk.AssistantMessage([sdk.TextBlock("Hel")], model="m"))
    assert (message.blocks, message.incomplete) == ([TextBlock(text="Hel")], True)


def test_a_message_that_is_sent_whole_after_its_stream_failed_is_complete() -> None:
    whole = sdk.AssistantMessage([sdk.TextBlock("Hello")], model="m", stop_reason="end_turn")
    [message] = cut_off(START, streamed("text", "Hel"), whole)
    assert (message.blocks, message.incomplete) == ([TextBlock(text="Hello")], False)


def test_a_message_is_complete_when_results_of_its_calls_follow() -> None:
    translator = MessageTranslator()
    call = sdk.AssistantMessage([sdk.ToolUseBlock("id", "T", {})], model="m")
    result = sdk.UserMessage(content=[sdk.ToolResultBlock("id", "out")])
    [message, _] = [event for each in (START, call, result) for event in translator.translate(each)]
    assert isinstance(message, AssistantMessage)
    assert not message.incomplete


def test_what_the_model_began_anew_is_not_kept() -> None:
    [message] = cut_off(START, streamed("text", "Hel"), START, streamed("text", "Good"))
    assert message.blocks == [TextBlock(text="Good")]


def test_a_complete_message_leaves_nothing_to_keep() -> None:
    assert cut_off(START, streamed("text", "Hi"), sdk.AssistantMessage([sdk.TextBlock("Hi")], model="m"), END) == []


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft, "MAX_KEPT_BYTES", 4)
    [message] = cut_off(streamed("text", "abc"), streamed("text", "de"), streamed("text", "f"))
    assert message.blocks == [TextBlock(text="abc")]


def test_surrogate_pairs_are_kept() -> None:
    whole = sdk.TextBlock(json.loads('"\\ud83d\\ude00"'))
    message = translate(MessageTranslator(), sdk.AssistantMessage(content=[whole], model="m"))
    assert message.blocks == [TextBlock(text="\U0001f600")]


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def finish(output: Any) -> Finished:
    result = sdk.ResultMessage("success", 1, 1, is_error=False, num_turns=1, session_id="s", structured_output=output)
    [finished] = MessageTranslator(structured=True).translate(result)
    assert isinstance(finished, Finished)
    return finished


def test_a_structured_output_of_the_maximum_depth_is_kept() -> None:
    assert finish(nested(64)).structured_output == nested(64)


@pytest.mark.parametrize(
    "output", [nested(65), nested(225), nested(5_000), [0] * 50_001], ids=["65", "225", "5000", "values"]
)
def test_a_structured_output_that_is_too_complex_is_not_valid(output: Any) -> None:
    finished = finish(output)
    result = finished.structured_output, finished.error_code, finished.error_detail
    assert result == (None, Code.OUTPUT_NOT_VALID, OUTPUT_TOO_COMPLEX)


@pytest.mark.parametrize(
    ("levels", "expected"), [(64, nested(64)), (65, TRUNCATED), (225, TRUNCATED), (5_000, TRUNCATED)]
)
def test_a_tool_input_that_is_too_deep_is_replaced(levels: int, expected: Any) -> None:
    tool_use = sdk.ToolUseBlock("id", "T", nested(levels))
    [call] = translate(MessageTranslator(), sdk.AssistantMessage([tool_use], model="m")).blocks
    assert isinstance(call, ToolUseBlock)
    assert call.input == expected


def test_a_tool_output_that_is_too_deep_is_replaced() -> None:
    parts = [{"type": "text", "text": nested(5_000)}]
    [returned] = MessageTranslator().translate(sdk.UserMessage([sdk.ToolResultBlock("id", parts)]))
    assert isinstance(returned, ToolReturned)
    assert returned.output == TRUNCATED


def numbers(value: Any) -> Finished:
    """Return the end of a turn for which the agent reports `value` as each of its numbers."""
    names = ("inputTokens", "cacheCreationInputTokens", "cacheReadInputTokens", "outputTokens")
    result = sdk.ResultMessage(
        *("success", value, 1),
        is_error=False,
        num_turns=1,
        session_id="s",
        total_cost_usd=value,
        usage={"input_tokens": value, "output_tokens": value},
        model_usage=cast(Any, {"m": dict.fromkeys(names, value)}),
    )
    [finished] = MessageTranslator().translate(result)
    assert isinstance(finished, Finished)
    return finished


@pytest.mark.parametrize("value", [10**30, 1e300, float("inf")])
def test_numbers_that_no_agent_can_have_used_are_bounded(value: Any) -> None:
    end = numbers(value)
    assert (end.input_tokens, end.output_tokens, end.reported.output) == (MAX_TOKENS, MAX_TOKENS, MAX_TOKENS)
    assert (end.cost_usd, end.duration_ms) == (MAX_COST_USD, MAX_DURATION_MS)
    assert (MAX_DURATION_MS < 2**31, MAX_TOKENS * 10**6 < 2**63) == (True, True)  # the columns that hold them


@pytest.mark.parametrize("value", [-5, -1e300, float("nan"), float("-inf"), None, "7", True, [], {}])
def test_what_is_no_positive_number_counts_as_nothing(value: Any) -> None:
    end = numbers(value)
    assert (end.input_tokens, end.output_tokens, end.cost_usd, end.duration_ms) == (0, 0, 0, 0)
    assert end.reported == Tokens()


def test_a_forged_total_does_not_make_later_turns_cheaper_than_nothing() -> None:
    earlier = Tokens(100, 100, 100, 100)
    assert Tokens(150, 50, 100, 0).since(earlier) == Tokens(50, 0, 0, 0)
