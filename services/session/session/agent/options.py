"""How an agent is run: the options of the SDK, and the variables that it sees."""

import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from claude_agent_sdk import ClaudeAgentOptions
from claude_agent_sdk.types import SystemPromptFile, SystemPromptPreset
from contracts.session.values import ApprovalOutcome, SdkOptions
from pydantic import JsonValue

from session.agent.model_proxy import FAMILIES, LONG_CONTEXT
from session.agent.sandbox import SandboxedProcess

# Glob and Grep only exist when they are named. What needs a network, a person or a later turn is left out.
TOOLS = [
    *("Bash", "Edit", "Glob", "Grep", "NotebookEdit", "Read", "WebSearch", "Write"),
    *("Task", "TaskCreate", "TaskGet", "TaskList", "TaskUpdate"),
]
APPROVALS_UNAVAILABLE = "Approvals are not available."

type Ask = Callable[[str, str, dict[str, Any]], Awaitable[ApprovalOutcome]]
"""Asks people about a tool call that nothing settles: the model's name for the call, the tool, its input."""


@dataclass(frozen=True)
class AgentSpec:
    """Whose agent it is, where it works, and how it is to run; then the run that it works for, and its worker.

    `budget_usd` is what it may spend if it starts now. One that goes on counts what it has spent itself.
    """

    session_id: UUID
    workspace: Path
    options: SdkOptions
    run_id: UUID | None = field(default=None, compare=False)
    attempt: int = field(default=0, compare=False)
    budget_usd: Decimal | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Limits:
    """How many agents there are before idle ones are ended, how long those may idle, and how patient they all are.

    `models` are those that they may use, the first if nobody names one; without any they may use all.

    The last ones say how much an agent may write for one run, in all and of what is recorded, and how many questions
    may wait for an answer. They are far beyond what a long run needs; only what imitates an agent gets there.
    """

    warm_agents: int = 64
    idle_seconds: float = 300
    max_concurrent_starts: int = os.cpu_count() or 1
    start_seconds: float = 30
    model_retries: int = 2
    model_answer_seconds: float = 300
    model_silence_seconds: float = 60
    tool_seconds: float = 300
    models: tuple[str, ...] = ()
    run_bytes: int = 128 * 2**20
    run_records: int = 10_000
    run_record_bytes: int = 32 * 2**20
    max_pending_requests: int = 32


def options(
    spec: AgentSpec, process: SandboxedProcess, *, resuming: bool, confined: bool, default_model: str | None = None
) -> ClaudeAgentOptions:
    """Return the SDK's options for an agent in `process` that begins the conversation, or continues one that has `resuming`.

    The caller adds its callbacks, `can_use_tool` and `stderr`.
    """
    sdk_options = spec.options
    return ClaudeAgentOptions(
        resume=str(spec.session_id) if resuming else None,
        session_id=None if resuming else str(spec.session_id),
        cwd=spec.workspace,
        cli_path=process.entrypoint,
        include_partial_messages=True,
        verbatim_prompts=True,
        setting_sources=[],
        strict_mcp_config=True,
        tools=TOOLS if confined else [],
        settings=_rules(sdk_options, process),
        system_prompt=_system_prompt(sdk_options.system_prompt, process),
        model=sdk_options.model or default_model,
        fallback_model=None if sdk_options.fallback_model == sdk_options.model else sdk_options.fallback_model,
        effort=sdk_options.effort,
        output_format=_output_format(sdk_options.output_format),
        max_turns=sdk_options.max_turns,
        max_budget_usd=sdk_options.max_budget_usd if spec.budget_usd is None else float(spec.budget_usd),
        # As arguments: given as options, the SDK warns at each start that `can_use_tool` is not asked about them.
        extra_args={
            "permission-mode": sdk_options.permission_mode if confined else "default",
            # Otherwise a conversation keeps its first system prompt and tools, whatever the options say later.
            "system-prompt-snapshot": "off",
            # What the SDK adds for a session store and for `can_use_tool` where it starts the process itself.
            "session-mirror": None,
            "permission-prompt-tool": "stdio",
        },
    )


def usable_models(sdk_options: SdkOptions, limits: Limits) -> tuple[str, ...]:
    """Return the models that an agent may use, its main one first; none if it may use all.

    What its session names is among them: it was looked at when it was named.
    """
    if not limits.models:
        return ()
    named = (sdk_options.model or limits.models[0], sdk_options.fallback_model, *limits.models)
    return tuple(dict.fromkeys(model for model in named if model))


def variables(token: str, sdk_options: SdkOptions, limits: Limits) -> dict[str, str]:
    """Give the variables of an agent that shows `token` to its model."""
    return {
        **_models_of_families(usable_models(sdk_options, limits)),
        "ANTHROPIC_API_KEY": token,
        "API_TIMEOUT_MS": _milliseconds(limits.model_answer_seconds),
        "CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS": _milliseconds(limits.model_silence_seconds),
        "CLAUDE_CODE_MAX_RETRIES": str(limits.model_retries),
        "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        # What an agent does outside its turns, or notes outside its transcript and workspace, would be lost.
        "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
        "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
        **dict.fromkeys(
            ("BASH_DEFAULT_TIMEOUT_MS", "BASH_MAX_TIMEOUT_MS", "MCP_TOOL_TIMEOUT"), _milliseconds(limits.tool_seconds)
        ),
    }


def _models_of_families(usable: tuple[str, ...]) -> dict[str, str]:
    """Return what keeps Claude Code, which asks models of other families for subagents, to those that may be used."""
    if not usable:
        return {}
    whole = [model for model in usable if model.removesuffix(LONG_CONTEXT) not in FAMILIES]
    families = set(FAMILIES) - {model.removesuffix(LONG_CONTEXT) for model in usable}
    if not whole:  # what a family is called at the provider is known to Claude Code alone
        return {"CLAUDE_CODE_SUBAGENT_MODEL": "inherit", "CLAUDE_CODE_SUBAGENT_MODEL_FORCE": "1"}
    chosen = {family: next((model for model in whole if family in model), whole[0]) for family in sorted(families)}
    return {
        # Of its own accord it replaces the names of old models.
        "CLAUDE_CODE_DISABLE_LEGACY_MODEL_REMAP": "1",
        **{f"ANTHROPIC_DEFAULT_{family.upper()}_MODEL": model for family, model in chosen.items()},
    }


def _output_format(output_format: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
    match output_format:
        case {"schema": dict(schema)}:  # the agent knows one dialect by name; what is written may be the same in others
            return output_format | {"schema": {name: value for name, value in schema.items() if name != "$schema"}}
        case _:
            return output_format


def _rules(sdk_options: SdkOptions, process: SandboxedProcess) -> str:
    # In a file, because every account of the machine can read the arguments of a program.
    path = process.runtime_dir / "settings"
    rules = {"allow": sdk_options.allowed_tools or [], "deny": sdk_options.disallowed_tools or []}
    path.write_text(json.dumps({"permissions": rules}), encoding="utf-8")
    return str(path)


def _system_prompt(text: str | None, process: SandboxedProcess) -> SystemPromptFile | SystemPromptPreset:
    if text is None:
        return {"type": "preset", "preset": "claude_code"}
    # In a file, because an argument of a program has at most 128 KiB.
    path = process.runtime_dir / "system_prompt"
    path.write_text(text, encoding="utf-8")
    return {"type": "file", "path": str(path)}


async def deny_all(_tool_use_id: str, _name: str, _input: dict[str, Any]) -> ApprovalOutcome:
    """Deny every tool call that would need approval."""
    return ApprovalOutcome(decision="denied", message=APPROVALS_UNAVAILABLE)


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
