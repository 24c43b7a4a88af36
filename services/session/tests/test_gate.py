"""A tool call begins once it is stored; until then it waits, and is denied at last."""

from typing import Any, cast
from unittest.mock import AsyncMock

import pytest
from claude_agent_sdk import HookContext
from contracts.session.values import SdkOptions
from session.agent import gate
from session.agent.agent_events import MessageTranslator
from session.agent.gate import NOT_STORED, Gate
from session.agent.transcript import Transcript
from session.ceilings import UNLIMITED
from session.mcp.permits import Permits


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


async def test_a_call_that_changes_nothing_waits_for_nothing(agent: Agent) -> None:
    assert await agent.call("Read") is None
    agent.recorded.assert_not_called()
