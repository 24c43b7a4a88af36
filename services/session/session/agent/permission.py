"""Permission to use a tool: what neither the options nor the agent's own rules settle is asked outside."""

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
DENIED = "This tool call was not approved: {} Go on without it."


async def permission(
    ask: Ask, transcript: Transcript, name: str, tool_input: dict[str, Any], context: ToolPermissionContext
) -> PermissionResult:
    """Return whether the agent may use the tool `name` with the input `tool_input`, as `ask` rules."""
    if too_deep(tool_input):  # nobody could be shown what would run
        return PermissionResultDeny(message=DENIED.format(TRUNCATED["reason"]))
    tool_use_id = clean(context.tool_use_id or "")
    # So that an agent which takes the conversation up knows what it had asked for.
    await transcript.wait_stored(tool_use_id, STORE_TIMEOUT)
    try:
        outcome = await ask(tool_use_id, clean(name), clean(tool_input))
    except Refusal:  # the turn is over, and the agent with it
        return PermissionResultDeny(message=STOPPED)
    except Exception:  # the SDK would hand its words to the agent
        log.exception("an approval was not asked for")
        return PermissionResultDeny(message=DENIED.format("It could not be asked for."))
    if outcome.decision == "approved":
        return PermissionResultAllow()
    return PermissionResultDeny(message=DENIED.format(outcome.message or "The user said no."))
