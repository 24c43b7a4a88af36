"""Questions of MCP servers to the user of a session."""

import json
from collections.abc import Callable

from contracts.refusals import Refusal
from mcp.types import ElicitResult
from mcp_connection import Elicitation
from mcp_connection.answers import accepted, declined
from runtime.logging import get_logger
from runtime.nesting import too_deep

from session.mcp.masking import masked_json
from session.mcp.questions import Elicit

log = get_logger()

MAX_MESSAGE_CHARS = 4_000
MAX_FORM_CHARS = 32 * 1024


async def answer(question: Elicitation, server: str, redact: Callable[[str], str], elicit: Elicit) -> ElicitResult:
    """Return the answer of the user to a question of a server; forms that could not be stored are declined."""
    form = question.schema
    if too_deep(form) or len(json.dumps(form)) > MAX_FORM_CHARS:
        return declined()
    try:
        outcome = await elicit(server, redact(question.message)[:MAX_MESSAGE_CHARS], masked_json(form, redact))
    except Refusal:  # the turn is over, and the agent is being ended
        return declined("cancel")
    except Exception:  # the answer must not contain the exception's text
        log.exception("elicitation failed")
        return declined("cancel")
    if outcome.decision == "approved":
        return accepted(outcome.content or {})
    return declined("cancel" if outcome.decision == "expired" else "decline")
