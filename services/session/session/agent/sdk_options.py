"""The options with which the SDK starts an agent."""

import json

from claude_agent_sdk import ClaudeAgentOptions
from claude_agent_sdk.types import SystemPromptFile, SystemPromptPreset
from contracts.session.values import SdkOptions
from pydantic import JsonValue
from sandbox import SandboxedProcess

from session.agent.options import TOOLS, AgentSpec, Limits, usable_models


def options(
    spec: AgentSpec, process: SandboxedProcess, limits: Limits, *, resuming: bool, confined: bool, waits: bool = False
) -> ClaudeAgentOptions:
    """Return the SDK's options for an agent in `process`, which starts a conversation, or resumes one if `resuming`.

    An agent that `waits` is claimed by its session later. The caller adds the callbacks `can_use_tool` and `stderr`.
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
        model=sdk_options.model or next(iter(usable_models(spec, limits)), None),
        fallback_model=None if sdk_options.fallback_model == sdk_options.model else sdk_options.fallback_model,
        effort=sdk_options.effort,
        output_format=_output_format(sdk_options.output_format),
        max_turns=sdk_options.max_turns,
        max_budget_usd=sdk_options.max_budget_usd if spec.budget_usd is None else float(spec.budget_usd),
        # As arguments: with the options of the same meaning, the SDK warns at each start that `can_use_tool` is not
        # called.
        extra_args={
            "permission-mode": sdk_options.permission_mode if confined else "default",
            # Otherwise a resumed conversation keeps its first system prompt and tools, even if the options change.
            "system-prompt-snapshot": "off",
            # The SDK sets these for a session store and for `can_use_tool` when it starts the process itself.
            "session-mirror": None,
            "permission-prompt-tool": "stdio",
            **({"await-claim": None} if waits else {}),
        },
    )


def _output_format(output_format: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
    match output_format:
        case {
            "schema": dict(schema)
        }:  # the agent accepts only one value of `$schema`, although the schema may be valid in several dialects
            return output_format | {"schema": {name: value for name, value in schema.items() if name != "$schema"}}
        case _:
            return output_format


def _rules(sdk_options: SdkOptions, process: SandboxedProcess) -> str:
    # In a file: command line arguments are visible to every account of the machine.
    path = process.runtime_dir / "settings"
    rules = {"allow": sdk_options.allowed_tools or [], "deny": sdk_options.disallowed_tools or []}
    path.write_text(json.dumps({"permissions": rules}), encoding="utf-8")
    return str(path)


def _system_prompt(text: str | None, process: SandboxedProcess) -> SystemPromptFile | SystemPromptPreset:
    if text is None:
        return {"type": "preset", "preset": "claude_code"}
    # In a file: a command line argument has at most 128 KiB.
    path = process.runtime_dir / "system_prompt"
    path.write_text(text, encoding="utf-8")
    return {"type": "file", "path": str(path)}
