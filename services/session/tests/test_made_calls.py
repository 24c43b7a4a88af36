"""Which calls of MCP tools an agent did not report."""

from typing import Any

import pytest
from contracts.session.values import ToolUseBlock
from runtime.clock import new_id
from session.agent.agent_events import TRUNCATED, AssistantMessage, clean
from session.agent.unreported import unreported
from session.mcp.made_calls import MAX_CHARS, MAX_UNREPORTED, TOO_LARGE, MadeCalls


def nested(levels: int) -> dict[str, Any]:
    return {"a": nested(levels - 1)} if levels else {}


@pytest.mark.parametrize("value", ["x", "\ud800", "\U0001f600", {"b": 1, "a": [None, True]}, "x" * MAX_CHARS])
@pytest.mark.parametrize("is_reported_first", [True, False])
def test_a_reported_call_is_not_left(value: Any, is_reported_first: bool) -> None:
    made = MadeCalls()
    steps = [
        lambda: made.report("echo", {"other": 1, "value": clean(value)}),
        lambda: made.make("echo", {"value": value, "other": 1}),
    ]
    for step in steps if is_reported_first else reversed(steps):
        step()
    assert made.take_unreported() == []


def test_a_report_of_an_earlier_turn_covers_no_call() -> None:
    made = MadeCalls()
    made.report("echo", {})
    made.take_unreported()
    made.make("echo", {})
    assert len(made.take_unreported()) == 1


def test_a_reported_call_with_a_truncated_input_is_not_left() -> None:
    made = MadeCalls()
    made.make("echo", nested(100))
    made.report("echo", TRUNCATED)
    assert made.take_unreported() == []


def test_a_call_is_left_that_was_reported_with_another_input_or_less_often() -> None:
    made = MadeCalls()
    for value in (1, 1, 2):
        made.make("echo", {"value": value})
    for value in (1, 3):
        made.report("echo", {"value": value})
    assert [call.input for call in made.take_unreported()] == [{"value": 1}, {"value": 2}]


def test_what_is_kept_of_unreported_calls_is_bounded() -> None:
    made = MadeCalls()
    calls = [made.make("echo", {"value": "x" * MAX_CHARS}) for _ in range(MAX_UNREPORTED + 1)]
    assert (calls[0] and calls[0].input, calls[-1]) == (TOO_LARGE, None)


@pytest.mark.parametrize("lost", [True, False])
def test_a_call_in_the_last_message_is_reported_also_if_the_agent_is_lost(lost: bool) -> None:
    (made := MadeCalls()).make("mcp__lab__echo", {"value": 1})
    call = ToolUseBlock(id="toolu_1", tool_call_id=new_id(), name="mcp__lab__echo", input={"value": 1})
    last = AssistantMessage([call], "m")
    assert [*unreported([last], made, None, lost=lost)] == ([] if lost else [last])
