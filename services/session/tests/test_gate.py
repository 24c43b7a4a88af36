"""A tool call begins once it is stored; until then it waits, and is denied at last."""

from typing import Any, cast
from unittest.mock import AsyncMock

import pytest
from claude_agent_sdk import HookContext
from contracts.session.settling import call_key
from contracts.session.values import SdkOptions
from session.agent import gate
from session.agent.gate import NOT_STORED, REPETITION, Gate
from session.agent.transcript import Transcript
from session.agent.translator import MessageTranslator
from session.ceilings import UNLIMITED
from session.mcp.permits import Permits
from session.mcp.repeats import Repeats


def entry_with(call: str) -> dict[str, Any]:
    content: list[Any] = [{"type": "tool_use", "id": call, "name": "Bash", "input": {}}]
    return {"type": "assistant", "uuid": "a", "message": {"content": content}}


class Agent:
    """The calls of an agent, whose transcript is stored in nothing."""

    def __init__(self) -> None:
        database = AsyncMock(fetchrow=AsyncMock(return_value={"bytes": 1, "last": 1}))
        self.transcript = Transcript(database, "session")
        self.gate = Gate(self.transcript, UNLIMITED, Permits(SdkOptions()), MessageTranslator())
        self.recorded = self.gate.recorded = AsyncMock(return_value=True)

    async def call(self, name: str = "Bash") -> str | None:
        """Call a tool, and return why it was denied."""
        [matcher] = self.gate.hooks()["PreToolUse"]
        [hook] = matcher.hooks
        output = await hook(cast(Any, {"tool_name": name}), "toolu_1", HookContext(signal=None))
        return cast(dict[str, Any], output).get("hookSpecificOutput", {}).get("permissionDecisionReason")

    async def repeat(self, tool_input: dict[str, Any]) -> str | None:
        """Call a tool after an identical call of unknown outcome, without input, and return why it is asked about."""
        await self.transcript.append("", [entry_with("toolu_1")])
        self.gate.permits.repeats = Repeats([call_key("Bash", {})])
        self.gate.permits.repeats.note("toolu_1", "Bash", tool_input)
        return await self.call()


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Agent:
    monkeypatch.setattr(gate, "STORE_SECONDS", 0.01)
    return Agent()


async def test_a_call_that_is_stored_and_recorded_begins(agent: Agent) -> None:
    await agent.transcript.append("", [entry_with("toolu_1")])
    assert await agent.call() is None


async def test_a_call_that_the_transcript_lacks_is_denied(agent: Agent) -> None:
    await agent.transcript.append("", [entry_with("toolu_2")])
    assert await agent.call() == NOT_STORED


async def test_a_call_that_is_not_recorded_is_denied(agent: Agent) -> None:
    await agent.transcript.append("", [entry_with("toolu_1")])
    agent.recorded.return_value = False
    assert await agent.call() == NOT_STORED


async def test_a_repetition_of_an_unknown_outcome_is_asked_about(agent: Agent) -> None:
    assert await agent.repeat({}) == REPETITION


async def test_another_input_is_no_repetition(agent: Agent) -> None:
    assert await agent.repeat({"command": "ls"}) is None


async def test_an_approved_repetition_begins(agent: Agent) -> None:
    await agent.repeat({})
    agent.gate.permits.repeats.permit("toolu_1")
    assert await agent.call() is None


async def test_a_call_that_changes_nothing_waits_for_nothing(agent: Agent) -> None:
    assert await agent.call("Read") is None
    agent.recorded.assert_not_called()
