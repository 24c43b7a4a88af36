"""The calls of tools that an agent may begin: those that are stored, and that are permitted."""

from dataclasses import dataclass
from typing import Any, Literal

from claude_agent_sdk import (
    HookContext,
    HookInput,
    HookJSONOutput,
    HookMatcher,
    PermissionResult,
    PermissionResultAllow,
    PermissionResultDeny,
    ToolPermissionContext,
)
from claude_agent_sdk.types import PreToolUseHookSpecificOutput
from contracts.refusals import Refusal
from contracts.session.values import ApprovalOutcome
from runtime.logging import get_logger
from runtime.nesting import too_complex

from session.agent.agent_events import TRUNCATED, clean
from session.agent.begun_calls import STORE_SECONDS, BegunCalls, begun_call
from session.agent.bounds import MAX_NAME_CHARS
from session.agent.failures import STOPPED
from session.agent.options import REPEATABLE, Ask, deny_all
from session.agent.transcript import Transcript
from session.agent.translator import MessageTranslator
from session.ceilings import Ceiling
from session.mcp.permits import Permits

log = get_logger()

HOOK_SECONDS = 60
REPETITION = "It is unknown whether this call took effect when it was made before."
NAME_TOO_LONG = f"The name of the tool has more than {MAX_NAME_CHARS} characters."
NOT_STORED = "The call could not be stored, so it was not made. Try again later, or continue without it."


@dataclass
class Gate:
    """Decides about the calls of one agent, which `begun` stores. `ask` is that of its current turn.

    A call begins only once it is stored. So a worker that continues the run knows of each call that may have had an
    effect. The next agent asks before it makes one again whose outcome is unknown.
    """

    transcript: Transcript
    ceiling: Ceiling
    permits: Permits
    translator: MessageTranslator
    begun: BegunCalls
    ask: Ask = deny_all

    def decide_as(self, other: "Gate") -> None:
        """Decide as another one would, from now on: the SDK knows only the gate that the agent was started with."""
        vars(self).update(vars(other))

    def hooks(self) -> dict[Any, list[HookMatcher]]:
        """Return the hooks that the SDK calls before each call of a tool."""
        return {"PreToolUse": [HookMatcher(hooks=[self._begin], timeout=HOOK_SECONDS, on_failure="block")]}

    async def _begin(self, data: HookInput, tool_use_id: str | None, _context: HookContext) -> HookJSONOutput:
        id, name, tool_input = clean(tool_use_id or ""), clean(str(data.get("tool_name"))), data.get("tool_input") or {}
        if name in REPEATABLE:
            self.translator.note_begun(id)
            return {}
        call = await begun_call(id, name, tool_input)
        is_stored = self.transcript.calls.begin(id) and await self.begun.store(call)
        self.translator.note_begun(id)
        if not is_stored:
            return _decided("deny", NOT_STORED)
        self.permits.repeats.note(id, call.key)
        return _decided("ask", REPETITION) if self.permits.repeats.is_repetition(id) else {}

    async def decide(self, name: str, tool_input: dict[str, Any], context: ToolPermissionContext) -> PermissionResult:
        """Return whether a tool may be called that neither the options nor the agent's own rules decide."""
        result = await self._permission(name, tool_input, clean(context.tool_use_id or ""))
        self.translator.note_begun(context.tool_use_id or "")
        if isinstance(result, PermissionResultAllow):
            self.permits.approve(name, tool_input)
        else:
            self.translator.note_denied(context.tool_use_id or "")
        return result

    async def _permission(self, name: str, tool_input: dict[str, Any], tool_use_id: str) -> PermissionResult:
        if not self.ceiling.allows_tool(name):
            return PermissionResultDeny(message=f"The tool {clean(name)} is not available. Continue without it.")
        if len(name) > MAX_NAME_CHARS:  # neither it nor the input could be shown to the approver
            return _denied(NAME_TOO_LONG)
        if too_complex(tool_input):
            return _denied(TRUNCATED["reason"])
        # A repeatable call was not awaited, but a resumed agent has to know what it had requested.
        await self.transcript.calls.wait_stored(tool_use_id, STORE_SECONDS)
        try:
            outcome = await self.ask(tool_use_id, clean(name), clean(tool_input))
        except Refusal:  # the turn is over, and the agent is being ended
            return PermissionResultDeny(message=STOPPED)
        except Exception:  # the SDK would pass the exception's text to the agent
            log.exception("approval request failed")
            return _denied("The approval could not be requested.")
        return _result(outcome)


def _decided(decision: Literal["deny", "ask"], reason: str) -> HookJSONOutput:
    output: PreToolUseHookSpecificOutput = {"hookEventName": "PreToolUse", "permissionDecision": decision}
    return {"hookSpecificOutput": {**output, "permissionDecisionReason": reason}}


def _result(outcome: ApprovalOutcome) -> PermissionResult:
    if outcome.decision == "approved":
        return PermissionResultAllow()
    if outcome.reason:
        return PermissionResultDeny(message=f"{outcome.reason} Continue without it.")
    return _denied(outcome.message or "The user denied it.")


def _denied(reason: str) -> PermissionResultDeny:
    return PermissionResultDeny(
        message=f"This tool call was not approved: {reason.removesuffix('.')}. Continue without it."
    )
