"""How an agent is run: the SDK's options, and the environment variables of its process."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from contracts.mcp_registry.values import ResolvedServer
from contracts.session.values import ApprovalOutcome, SdkOptions
from sandbox import Resources

from session.agent.places import Place
from session.ceilings import UNLIMITED, Ceiling
from session.ceilings.model_names import FAMILIES, LONG_CONTEXT
from session.mcp.repeats import Repeats
from session.quotas.spending import Spending

# Glob and Grep exist only if they are listed. Tools that need a network, a user or a later turn are left out.
TOOLS = [
    *("Bash", "Edit", "Glob", "Grep", "NotebookEdit", "Read", "WebSearch", "Write"),
    *("ListMcpResourcesTool", "ReadMcpResourceTool"),
    *("Task", "TaskCreate", "TaskGet", "TaskList", "TaskUpdate"),
]
REPEATABLE = frozenset(
    {"Glob", "Grep", "ListMcpResourcesTool", "Read", "ReadMcpResourceTool", "StructuredOutput", "TaskGet", "TaskList"}
)
"""Tools that change nothing, so that a worker that continues the run need not know of their calls."""
FREE = REPEATABLE | {"TaskCreate", "TaskUpdate", "WebSearch", "Write"}
"""Tools whose identical calls may be made again: they write the same, or only what a lost agent had for itself."""
MCP_CALL_SECONDS = 86_400.0
COLLECTION_SECONDS = 30.0
APPROVALS_UNAVAILABLE = "Approvals are not available."

type Ask = Callable[[str, str, dict[str, Any]], Awaitable[ApprovalOutcome]]
"""Requests approval of a tool call, given the model's id of the call, the tool's name and its input."""


@dataclass(frozen=True)
class AgentSpec:
    """The session, its owner, workspace, options and MCP servers of an agent, and the run and attempt it works for.

    `ceiling` is that of the session's owner; the options are not above it. `budget_usd` is what the agent may spend if
    it starts now; a warm agent counts what it has spent itself. Earlier agents of the run have worked for `worked_ms`.
    `place` is that of the run in its replica, and `repeats` are the calls that it must not make again. Agents are
    compared without what is about the run, so that a warm agent can serve the next one.
    """

    session_id: UUID
    workspace: Path
    options: SdkOptions
    servers: tuple[ResolvedServer, ...] = ()
    ceiling: Ceiling = UNLIMITED
    run_id: UUID | None = field(default=None, compare=False)
    attempt: int = field(default=0, compare=False)
    budget_usd: Decimal | None = field(default=None, compare=False)
    owner: UUID | None = None
    worked_ms: int = field(default=0, compare=False)
    spending: Spending | None = field(default=None, compare=False)
    place: Place = field(default_factory=Place, compare=False)
    repeats: Repeats = field(default_factory=Repeats, compare=False)

    @property
    def writer(self) -> tuple[UUID | None, int]:
        """The run and the attempt for which the agent writes."""
        return self.run_id, self.attempt

    def works_for(self, run_id: UUID, attempt: int | None = None) -> bool:
        """Return whether the agent works for a run, and as this `attempt` if it is given."""
        return self.run_id == run_id and attempt in (None, self.attempt)


@dataclass(frozen=True)
class Limits:
    """Limits on the agents of a replica.

    `warm_agents` is the number of agents above which idle ones are ended, and `warm_agents_per_user` that of a user.
    One may idle for `idle_seconds`, and only if it needs at most `warm_memory_bytes`, files in memory included.
    Agents may use the models in `models`, all if it is empty; the first is the default. Each may use `resources`.
    Each has `start_seconds` to start, a time that a busy machine needs: less than 60 s, after which the SDK gives up.

    `run_bytes`, `run_records` and `run_record_bytes` bound what an agent may write for one run: in total, and of
    recorded messages and tool results. `max_pending_requests` bounds its concurrent approval requests. They are far
    above what a long run needs; only a program that forges the agent's output reaches them.

    At most `spares` agents are started before a session needs them. The `max_concurrent_starts` of a user leave a
    processor for others, since a start takes a whole one, and long within the kernel.
    """

    warm_agents: int = 64
    warm_agents_per_user: int = 16
    warm_memory_bytes: int = 384 * 2**20
    idle_seconds: float = 300
    max_concurrent_starts: int = field(default_factory=lambda: max(1, (os.cpu_count() or 1) - 1))
    spares: int = 0
    start_seconds: float = 55
    model_retries: int = 2
    model_answer_seconds: float = 300
    model_silence_seconds: float = 60
    tool_seconds: float = 300
    models: tuple[str, ...] = ()
    resources: Resources = field(default_factory=Resources)
    run_bytes: int = 128 * 2**20
    run_records: int = 10_000
    run_record_bytes: int = 32 * 2**20
    max_pending_requests: int = 32


def usable_models(spec: AgentSpec, limits: Limits) -> tuple[str, ...]:
    """Return the models that an agent may use, its main model first; an empty tuple if no list restricts them.

    Models that the session names are included, even if they are not offered any more: they were checked when named.
    """
    usable = spec.ceiling.usable_models(limits.models)
    if not usable:
        return ()
    named = (spec.options.model or usable[0], spec.options.fallback_model, *usable)
    return tuple(dict.fromkeys(model for model in named if model))


def variables(token: str, spec: AgentSpec, limits: Limits) -> dict[str, str]:
    """Return the environment variables of an agent whose `token` authenticates it at the model proxy."""
    return {
        **_models_of_families(usable_models(spec, limits)),
        "ANTHROPIC_API_KEY": token,
        "API_TIMEOUT_MS": _milliseconds(limits.model_answer_seconds),
        "CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS": _milliseconds(limits.model_silence_seconds),
        "CLAUDE_CODE_MAX_RETRIES": str(limits.model_retries),
        "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        # Work outside the turns, or notes outside transcript and workspace, would be lost.
        "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
        "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
        # Bun, on which it runs, collects garbage a second after each turn otherwise, which takes longer than the turn.
        "BUN_GC_TIMER_INTERVAL": _milliseconds(COLLECTION_SECONDS),
        # The service limits calls of MCP tools itself, because their clock stops while a question is answered.
        "MCP_TOOL_TIMEOUT": _milliseconds(MCP_CALL_SECONDS),
        **dict.fromkeys(("BASH_DEFAULT_TIMEOUT_MS", "BASH_MAX_TIMEOUT_MS"), _milliseconds(limits.tool_seconds)),
    }


def _models_of_families(usable: tuple[str, ...]) -> dict[str, str]:
    """Return variables that restrict Claude Code to the usable models.

    By default it picks models of other families for subagents.
    """
    if not usable:
        return {}
    whole = [model for model in usable if model.removesuffix(LONG_CONTEXT) not in FAMILIES]
    families = set(FAMILIES) - {model.removesuffix(LONG_CONTEXT) for model in usable}
    if not whole:  # only Claude Code knows the provider's name for a family's model
        return {"CLAUDE_CODE_SUBAGENT_MODEL": "inherit", "CLAUDE_CODE_SUBAGENT_MODEL_FORCE": "1"}
    chosen = {family: next((model for model in whole if family in model), whole[0]) for family in sorted(families)}
    return {
        # By default Claude Code replaces the names of old models.
        "CLAUDE_CODE_DISABLE_LEGACY_MODEL_REMAP": "1",
        **{f"ANTHROPIC_DEFAULT_{family.upper()}_MODEL": model for family, model in chosen.items()},
    }


async def deny_all(_tool_use_id: str, _name: str, _input: dict[str, Any]) -> ApprovalOutcome:
    """Deny every tool call that needs approval."""
    return ApprovalOutcome(decision="denied", reason=APPROVALS_UNAVAILABLE)


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
