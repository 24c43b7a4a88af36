"""The tool calls of an agent: which run, which are asked for, and which are denied."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from contracts.session.values import ApprovalOutcome
from runtime import nesting
from session.agent import Ask
from session.agent.agent_events import TRUNCATED
from session.agent.options import deny_all
from simulator.testing import bash_prompt

from services.session.tests.replica import NewReplica, TurnEvents


@dataclass
class Permissions:
    """What became of the Bash call of each turn, by its name; the call creates a file of this name."""

    turns: dict[str, TurnEvents]
    requested: list[tuple[str, str]]
    workspaces: Path

    def made(self, name: str) -> bool:
        return any((self.workspaces / session / name).exists() for session in SESSION_OF.values())


async def refuse_requests(_tool_use_id: str, name: str, _tool_input: dict[str, Any]) -> ApprovalOutcome:
    pytest.fail(f"approval was requested for {name}")


async def fail(_tool_use_id: str, _name: str, _tool_input: dict[str, Any]) -> ApprovalOutcome:
    raise OSError("the address of a database")


SESSION_OF = {"default": "one", "dontAsk": "two", "allowed": "three", "disallowed": "other"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def permissions(module_replica: NewReplica) -> Permissions:
    async with module_replica() as replica:
        requested: list[tuple[str, str]] = []

        async def approve(_tool_use_id: str, name: str, tool_input: dict[str, Any]) -> ApprovalOutcome:
            requested.append((name, tool_input["command"]))
            return ApprovalOutcome(decision="approved")

        async def turn(name: str, ask: Ask = deny_all, mode: str = "default", **options: Any) -> TurnEvents:
            spec = replica.spec(SESSION_OF[mode], **{"permission_mode": "default", **options})
            return await replica.run(spec, bash_prompt(f"touch {name}"), ask)

        turns = {"denied": await turn("denied"), "approved": await turn("approved", approve)}
        turns["failed"] = await turn("failed", fail)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(nesting, "MAX_DEPTH", 0)  # no tool of the CLI accepts a deep input
            turns["deep"] = await turn("deep", refuse_requests)
        turns["dontAsk"] = await turn("dontAsk", refuse_requests, "dontAsk", permission_mode="dontAsk")
        turns["allowed"] = await turn("allowed", refuse_requests, "allowed", allowed_tools=["Bash"])
        turns["disallowed"] = await turn("disallowed", refuse_requests, "disallowed", disallowed_tools=["Bash"])
        return Permissions(turns, requested, replica.workspaces)


def test_a_tool_that_is_not_allowed_is_denied(permissions: Permissions) -> None:
    assert "Approvals are not available." in permissions.turns["denied"].outputs[0]
    assert not permissions.made("denied")


def test_an_approved_tool_runs(permissions: Permissions) -> None:
    assert (permissions.requested, permissions.made("approved")) == ([("Bash", "touch approved")], True)


def test_dont_ask_mode_requests_no_approval(permissions: Permissions) -> None:
    events = permissions.turns["dontAsk"]
    assert ("Permission to use Bash" in events.outputs[0], events.denied) == (True, [True])


def test_a_failed_approval_request_denies_the_tool_and_leaks_no_error(permissions: Permissions) -> None:
    events = permissions.turns["failed"]
    assert events.outputs == [
        "This tool call was not approved: The approval could not be requested. Continue without it."
    ]
    assert events.denied == [True]


def test_a_tool_call_with_too_deep_input_is_denied_without_approval(permissions: Permissions) -> None:
    [output] = permissions.turns["deep"].outputs
    assert output == f"This tool call was not approved: {TRUNCATED['reason']} Continue without it."
    assert not permissions.made("deep")


def test_an_allowed_tool_runs_without_approval(permissions: Permissions) -> None:
    assert permissions.made("allowed")


def test_a_disallowed_tool_does_not_exist_for_the_agent(permissions: Permissions) -> None:
    assert "No such tool" in permissions.turns["disallowed"].outputs[0]
