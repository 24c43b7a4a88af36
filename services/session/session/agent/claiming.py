"""Agents that are started before it is known for which session: who may have one, and how it becomes theirs."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from contracts.session.values import SdkOptions

from session.agent.options import AgentSpec

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeSDKClient

NO_SESSION = UUID(int=0)
CLAIM_SECONDS = 10.0
BYPASS = "bypassPermissions"


class Unclaimable(Exception):
    """The session needs an agent of its own; the prestarted one was not touched."""


class ClaimFailed(Exception):
    """The prestarted agent cannot be used any more."""


class FolderRemoved(ClaimFailed):
    """Another replica has removed the folder of the prestarted agent, which was not kept for too long."""


def profile_of(spec: AgentSpec) -> AgentSpec | None:
    """Return what cannot be changed in an agent after its start, as the specification of an agent without a session.

    None if no other session could use the agent. A profile with options that were chosen by a user, other than the
    model and its effort, belongs to that user: nobody learns from a fast start what others have chosen.
    """
    options = spec.options
    if options.env or options.mcp_servers or spec.servers or not _has_whole_budget(spec):
        return None
    fixed = _without_claimed(options)
    usual = spec.ceiling.reduced(SdkOptions(model=options.model, effort=options.effort))
    owner = None if fixed == _without_claimed(usual, fixed.permission_mode == BYPASS) else spec.owner
    return AgentSpec(NO_SESSION, Path(), fixed, ceiling=spec.ceiling, owner=owner)


def _without_claimed(options: SdkOptions, bypasses: bool = False) -> SdkOptions:
    """Return the options without those that a claim sets. Only an agent that was started so can bypass permissions."""
    mode = BYPASS if bypasses or options.permission_mode == BYPASS else "default"
    claimed: dict[str, Any] = {"permission_mode": mode, "system_prompt": None, "allowed_tools": None}
    return options.model_copy(update={**claimed, "timeout_seconds": 0})


def _has_whole_budget(spec: AgentSpec) -> bool:
    budget = spec.options.max_budget_usd
    return spec.budget_usd is None or (budget is not None and spec.budget_usd == Decimal(str(budget)))


async def claim(client: "ClaudeSDKClient", spec: AgentSpec, cwd: Path) -> None:
    """Send to an agent that waits for it what its session has chosen.

    Raises:
        ClaimFailed: the agent refused, or did not answer in time.
    """
    options = spec.options
    session: dict[str, Any] = {"subtype": "claim_session", "cwd": str(cwd), "permission_mode": options.permission_mode}
    if options.system_prompt is not None:
        session["system_prompt"] = [options.system_prompt]
    requests = [session]
    if options.allowed_tools:
        rules = {"allow": options.allowed_tools, "deny": options.disallowed_tools or []}
        requests.append({"subtype": "apply_flag_settings", "settings": {"permissions": rules}})
    # The SDK has no public function for it.
    send = client._query._send_control_request  # pyright: ignore[reportPrivateUsage, reportOptionalMemberAccess]  # noqa: SLF001
    try:
        answers = await asyncio.gather(*(send(each, CLAIM_SECONDS) for each in requests))
    except Exception as error:
        raise ClaimFailed(str(error)) from error
    if answers[0].get("status") != "ok" or answers[0].get("cwd") != str(cwd):
        raise ClaimFailed(f"unexpected answer {answers[0]}")
