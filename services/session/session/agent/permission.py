"""Permission to use a tool: what neither the options nor the agent's own rules settle is asked outside."""

from typing import Any

from claude_agent_sdk import PermissionResult, PermissionResultAllow, PermissionResultDeny, ToolPermissionContext
from contracts.refusals import Refusal
from runtime.logging import get_logger
from runtime.nesting import too_deep

from session.agent.frames import STOPPED
from session.agent.options import Ask
from session.agent.telling import CUT, clean
from session.agent.transcript import Transcript

log = get_logger()

STORED_WITHIN = 2.0
DENIED = "This tool call was not approved: {} Go on without it."


async def permission(
    ask: Ask, transcript: Transcript, name: str, given: dict[str, Any], context: ToolPermissionContext
) -> PermissionResult:
    """Return whether the agent may use the tool `name` with the input `given`, as `ask` rules."""
    if too_deep(given):  # nobody could be shown what would run
        return PermissionResultDeny(message=DENIED.format(CUT["reason"]))
    tool_use_id = clean(context.tool_use_id or "")
    # So that an agent which takes the conversation up knows what it had asked for.
    await transcript.holds(tool_use_id, STORED_WITHIN)
    try:
        ruling = await ask(tool_use_id, clean(name), clean(given))
    except Refusal:  # the turn is over, and the agent with it
        return PermissionResultDeny(message=STOPPED)
    except Exception:  # the SDK would hand its words to the agent
        log.exception("an approval was not asked for")
        return PermissionResultDeny(message=DENIED.format("It could not be asked for."))
    if ruling.decision == "approved":
        return PermissionResultAllow()
    return PermissionResultDeny(message=DENIED.format(ruling.message or "The user said no."))
