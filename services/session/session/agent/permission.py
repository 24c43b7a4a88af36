"""Permission to use a tool: requested from outside if neither the options nor the agent's own rules decide."""

from typing import Any

from claude_agent_sdk import PermissionResult, PermissionResultAllow, PermissionResultDeny, ToolPermissionContext
from contracts.refusals import Refusal
from runtime.logging import get_logger
from runtime.nesting import too_deep

from session.agent.agent_events import TRUNCATED, clean
from session.agent.frames import STOPPED
from session.agent.options import Ask
from session.agent.transcript import Transcript

log = get_logger()

STORE_TIMEOUT = 2.0


async def permission(
    ask: Ask | None, transcript: Transcript, name: str, tool_input: dict[str, Any], context: ToolPermissionContext
) -> PermissionResult:
    """Return whether the agent may call the tool `name` with `tool_input`, as `ask` decides; never without it."""
    if ask is None:
        return PermissionResultDeny(message=f"The tool {clean(name)} is not available. Continue without it.")
    if too_deep(tool_input):  # the input could not be shown to the approver
        return _denied(TRUNCATED["reason"])
    tool_use_id = clean(context.tool_use_id or "")
    # The transcript must contain the call before it is decided: a resumed agent has to know what it had requested.
    await transcript.wait_stored(tool_use_id, STORE_TIMEOUT)
    try:
        outcome = await ask(tool_use_id, clean(name), clean(tool_input))
    except Refusal:  # the turn is over, and the agent is being ended
        return PermissionResultDeny(message=STOPPED)
    except Exception:  # the SDK would pass the exception's text to the agent
        log.exception("approval request failed")
        return _denied("The approval could not be requested.")
    if outcome.decision == "approved":
        return PermissionResultAllow()
    if outcome.reason:
        return PermissionResultDeny(message=f"{outcome.reason} Continue without it.")
    return _denied(outcome.message or "The user denied it.")


def _denied(reason: str) -> PermissionResultDeny:
    return PermissionResultDeny(
        message=f"This tool call was not approved: {reason.removesuffix('.')}. Continue without it."
    )
