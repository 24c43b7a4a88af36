import pytest
from simulator.script import ToolCall, Turn
from simulator.wire import error, message, new_id


def test_a_turn_with_a_tool_has_the_stop_reason_tool_use() -> None:
    assert message(Turn(tools=(ToolCall(name="A"),)), "m", 1)["stop_reason"] == "tool_use"


def test_scripted_usage_is_reported() -> None:
    usage = message(Turn(text="hi", input_tokens=0, output_tokens=9), "m", 5)["usage"]

    assert (usage["input_tokens"], usage["output_tokens"]) == (0, 9)


def test_usage_is_estimated_if_the_script_does_not_set_it() -> None:
    usage = message(Turn(text="x" * 400), "m", 5)["usage"]

    assert (usage["input_tokens"], usage["output_tokens"] >= 100) == (5, True)


def test_ids_are_unique() -> None:
    assert len({new_id("msg") for _ in range(1_000)}) == 1_000


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (418, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (503, "api_error"),
        (529, "overloaded_error"),
    ],
)
def test_an_error_has_the_type_of_its_status(status: int, kind: str) -> None:
    assert error(status, "no")["error"] == {"type": kind, "message": "no"}
