"""A tool call begins once it is stored; one that cannot be stored is denied."""

import functools
from itertools import count
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import pytest
from claude_agent_sdk import HookContext, PermissionResultDeny, ToolPermissionContext
from contracts.preview import truncate_value
from contracts.session.settling import call_key
from contracts.session.values import ApprovalOutcome, Decision, SdkOptions
from session.agent import call_times, stored_calls
from session.agent.agent_events import TRUNCATED
from session.agent.begun_calls import MAX_INPUT_BYTES
from session.agent.bounds import MAX_NAME_CHARS
from session.agent.gate import NAME_TOO_LONG, NOT_STORED, REPETITION, Gate
from session.agent.transcript import Transcript
from session.agent.translator import MessageTranslator
from session.ceilings import UNLIMITED
from session.mcp.permits import Permits
from session.mcp.repeats import Repeats


class Agent:
    """The calls of an agent, which are stored in nothing."""

    def __init__(self) -> None:
        self.transcript, self.stored = Transcript(AsyncMock(), "session"), AsyncMock(return_value=True)
        begun = Mock(store=self.stored)
        self.gate = Gate(self.transcript, UNLIMITED, Permits(SdkOptions()), MessageTranslator(), begun)

    async def call(self, name: str = "Bash", tool_input: object = None) -> str | None:
        """Call a tool, and return why it was denied."""
        [matcher] = self.gate.hooks()["PreToolUse"]
        [hook] = matcher.hooks
        data = {"tool_name": name, "tool_input": tool_input}
        output = await hook(cast(Any, data), "toolu_1", HookContext(signal=None))
        return cast(dict[str, Any], output).get("hookSpecificOutput", {}).get("permissionDecisionReason")

    async def repeat(self, tool_input: dict[str, Any]) -> str | None:
        """Call a tool after an identical call of unknown outcome, without input, and return why it is asked about."""
        self.gate.permits.repeats = Repeats([call_key("Bash", {})])
        return await self.call(tool_input=tool_input)

    async def stored_input(self, name: str, tool_input: object) -> object:
        """Call a tool, and return the input that is stored."""
        await self.call(name, tool_input)
        return self.stored.call_args.args[0].tool_input


@pytest.fixture
def agent() -> Agent:
    return Agent()


async def test_a_call_that_is_stored_begins(agent: Agent) -> None:
    assert await agent.call() is None
    assert agent.transcript.calls.open == {"toolu_1"}


async def test_nobody_is_asked_about_a_tool_with_a_name_that_is_too_long(agent: Agent) -> None:
    agent.gate.ask, agent.gate.permits = AsyncMock(return_value=ApprovalOutcome(decision="approved")), Mock()
    agent.transcript.calls.note([{"message": {"content": [{"type": "tool_use", "id": "toolu_1"}]}}])
    context = ToolPermissionContext(tool_use_id="toolu_1")
    denied = await agent.gate.decide("x" * (MAX_NAME_CHARS + 1), {}, context)
    assert isinstance(denied, PermissionResultDeny)
    assert NAME_TOO_LONG.removesuffix(".") in denied.message
    agent.gate.ask.assert_not_called()
    await agent.gate.decide("x" * MAX_NAME_CHARS, {}, context)
    agent.gate.ask.assert_called_once_with("toolu_1", "x" * MAX_NAME_CHARS, {})


def times_of(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Return when calls have begun, by a clock that is advanced by each of its readings."""
    monkeypatch.setattr(call_times, "time", Mock(time=Mock(side_effect=count(1))))
    return agent.gate.translator._times._begun  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("name", ["Bash", "Read"])
async def test_a_call_is_timed_from_when_it_may_begin(agent: Agent, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    begun = times_of(agent, monkeypatch)

    async def store(_call: object) -> bool:
        return not begun

    agent.stored.side_effect = store
    await agent.call(name)
    assert begun == {"toolu_1": 1}


@pytest.mark.parametrize(("decision", "at"), [("approved", 2), ("denied", 2)])
async def test_a_call_is_timed_from_its_approval(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, decision: Decision, at: int
) -> None:
    begun = times_of(agent, monkeypatch)
    await agent.call()
    agent.transcript.calls.note([{"message": {"content": [{"type": "tool_use", "id": "toolu_1"}]}}])
    agent.gate.ask = AsyncMock(return_value=ApprovalOutcome(decision=decision))
    await agent.gate.decide("Bash", {}, ToolPermissionContext(tool_use_id="toolu_1"))
    assert begun == {"toolu_1": at}


async def test_a_call_that_is_not_stored_is_denied(agent: Agent) -> None:
    agent.stored.return_value = False
    assert await agent.call() == NOT_STORED


async def test_a_call_of_an_agent_that_was_ended_does_not_begin(agent: Agent) -> None:
    agent.transcript.calls.closed = True
    assert await agent.call() == NOT_STORED
    agent.stored.assert_not_called()


async def test_no_more_calls_begin_than_can_be_kept(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_calls, "MAX_OPEN", 1)
    agent.transcript.calls.begin("toolu_0")
    assert await agent.call() == NOT_STORED


DEEP = functools.reduce(lambda inner, _: {"a": inner}, range(1000), dict[str, Any]())
LONG = {"command": "x" * 100_000}


@pytest.mark.parametrize(
    ("name", "tool_input", "stored"),
    [
        ("Bash", {"command": "ls"}, {"command": "ls"}),
        ("Bash", {"command": "\ud800"}, {"command": "\ufffd"}),
        ("Bash", DEEP, TRUNCATED),
        ("Bash", LONG, truncate_value(LONG, MAX_INPUT_BYTES)),
        ("Write", {"content": "much"}, {}),
    ],
    ids=["as it is", "no UTF-8", "too deep", "too long", "that writes the same"],
)
async def test_the_input_of_a_call_is_stored(agent: Agent, name: str, tool_input: object, stored: object) -> None:
    assert await agent.stored_input(name, tool_input) == stored


async def test_a_repetition_of_an_unknown_outcome_is_asked_about(agent: Agent) -> None:
    assert await agent.repeat({}) == REPETITION


async def test_a_repetition_is_recognised_by_all_of_its_input(agent: Agent) -> None:
    long, other = {"command": "x" * 100_000}, {"command": "y" * 100_000}
    agent.gate.permits.repeats = Repeats([call_key("Bash", long)])
    assert [await agent.call(tool_input=other), await agent.call(tool_input=long)] == [None, REPETITION]


async def test_another_input_is_no_repetition(agent: Agent) -> None:
    assert await agent.repeat({"command": "ls"}) is None


async def test_an_approved_repetition_begins(agent: Agent) -> None:
    await agent.repeat({})
    agent.gate.permits.repeats.permit("toolu_1")
    assert await agent.call() is None


async def test_a_call_that_changes_nothing_waits_for_nothing(agent: Agent) -> None:
    assert await agent.call("Read") is None
    agent.stored.assert_not_called()
