"""The tables of the session service's queries."""

from uuid import UUID

from contracts.refusals import Code
from eventing.database import Row
from eventing.handling.reading import Table

from session.dependencies import Context

SESSIONS = Table("sessions", Code.SESSION_NOT_FOUND)
APPROVALS = Table("approvals", Code.APPROVAL_NOT_FOUND)
TEMPLATES = Table("session_templates", Code.TEMPLATE_NOT_FOUND, readable="(user_id = {} OR is_public)")

# Access to these is decided by the session: queries call `visible` first, or `fetch_within` sessions.
RUNS = Table("shown_runs", Code.RUN_NOT_FOUND, readable=None)
MESSAGES = Table("messages", Code.MESSAGE_NOT_FOUND, readable=None, key="sequence_number")
ARCHIVES = Table("archives", Code.ARCHIVE_NOT_FOUND, readable=None, key="session_id")
TOOL_CALLS = Table("tool_calls", Code.TOOL_CALL_NOT_FOUND, readable=None)


async def visible(session_id: UUID, context: Context) -> Row:
    """Return the row of a session that the actor may see: an own one, or any for an admin.

    Raises:
        Refusal: SESSION_NOT_FOUND.
    """
    return await SESSIONS.fetch("*", session_id, context)
