"""Agents that are started before it is known for which session: who may have one, and how it becomes theirs."""

import asyncio
import json
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from contracts.session.values import SdkOptions

from session.agent.failures import AgentFailed
from session.agent.options import AgentSpec
from session.ceilings import UNLIMITED, Ceiling

if TYPE_CHECKING:
    from session.agent.client import Client

CLAIM_SECONDS = 10.0
BYPASS = "bypassPermissions"
OWN_PROMPT = ""
"""The system prompt in the profile of sessions that have one, whatever it is."""

type Request = dict[str, Any]


class Unclaimable(Exception):
    """The session needs an agent of its own; the prestarted one was not touched."""


class ClaimFailed(AgentFailed):
    """The prestarted agent cannot be used any more."""


class FolderRemoved(ClaimFailed):
    """Another replica has removed the folder of the prestarted agent, which was not kept for too long."""


@dataclass(frozen=True)
class Profile:
    """What cannot be changed in an agent after its start; `owner` is None if it suits the sessions of all users.

    Profiles are compared by a digest. Options may be long and differ only at their end, and the profiles of many
    sessions are compared with each other.
    """

    options: SdkOptions = field(compare=False)
    ceiling: Ceiling = field(default=UNLIMITED, compare=False)
    owner: UUID | None = field(default=None, compare=False)
    digest: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Compute the digest."""
        parts = self.options.model_dump(), repr(self.ceiling), str(self.owner)
        digest = sha256(json.dumps(parts, sort_keys=True).encode()).digest()
        object.__setattr__(self, "digest", digest)


def profile_of(spec: AgentSpec) -> Profile | None:
    """Return the profile of an agent; None if no other session could use the agent.

    A profile with options that were chosen by a user, other than the model and its effort, belongs to that user: nobody
    learns from a fast start what others have chosen.
    """
    options = spec.options
    if options.env or options.mcp_servers or spec.servers or not _has_whole_budget(spec):
        return None
    claimed: dict[str, Any] = {
        "permission_mode": BYPASS if options.permission_mode == BYPASS else "default",  # no other agent can bypass them
        "system_prompt": None if options.system_prompt is None else OWN_PROMPT,
        "allowed_tools": None,
        "after_crash": None,
        "timeout_seconds": 0,
    }
    fixed = options.model_copy(update=claimed)
    usual = spec.ceiling.reduced(SdkOptions(model=options.model, effort=options.effort)).model_copy(update=claimed)
    owner = None if fixed == usual else spec.owner
    return Profile(fixed, spec.ceiling, owner)


def _has_whole_budget(spec: AgentSpec) -> bool:
    budget = spec.options.max_budget_usd
    return spec.budget_usd is None or (budget is not None and spec.budget_usd == Decimal(str(budget)))


async def claim(client: "Client", options: SdkOptions, cwd: Path) -> None:
    """End the wait of an agent for its session, with the permission mode and the system prompt of these options.

    Raises:
        ClaimFailed: the agent refused, or did not answer in time.
    """
    session: Request = {"subtype": "claim_session", "cwd": str(cwd), "permission_mode": options.permission_mode}
    if options.system_prompt is not None:
        session["system_prompt"] = [options.system_prompt]
    [answer] = await _answers(client, session)
    if answer.get("status") != "ok" or answer.get("cwd") != str(cwd):
        raise ClaimFailed(f"unexpected answer {answer}")


async def choose(client: "Client", options: SdkOptions, mode: str) -> None:
    """Send to an agent in a permission mode what its session has chosen, other than the system prompt.

    Raises:
        ClaimFailed: the agent refused, or did not answer in time.
    """
    requests = list[Request]()
    if options.permission_mode != mode:
        requests.append({"subtype": "set_permission_mode", "mode": options.permission_mode})
    if options.allowed_tools:
        rules = {"allow": options.allowed_tools, "deny": options.disallowed_tools or []}
        requests.append({"subtype": "apply_flag_settings", "settings": {"permissions": rules}})
    await _answers(client, *requests)


async def _answers(client: "Client", *requests: Request) -> list[dict[str, Any]]:
    try:
        return await asyncio.gather(*(client.request(each, CLAIM_SECONDS) for each in requests))
    except Exception as error:
        raise ClaimFailed(str(error)) from error
