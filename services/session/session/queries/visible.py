"""Which sessions there are for whom."""

from uuid import UUID

from contracts.refusals import Code, Refusal
from eventing.database import Row
from eventing.handling import QueryContext

from session.tools import Tools

type Context = QueryContext[Tools]


async def visible(session_id: UUID, context: Context) -> Row:
    """Give the row of a session of the actor's, an admin any.

    Raises:
        Refusal: SESSION_NOT_FOUND.
    """
    row = await context.database.fetchrow("SELECT * FROM sessions WHERE id = $1", session_id)
    if row is None or not context.actor.may_see(row["user_id"]):
        raise Refusal(Code.SESSION_NOT_FOUND, f"There is no session {session_id}.")
    return row


def owner(context: Context) -> UUID | None:
    """Give the user whose things a list is made of; None, for an admin, is everyone."""
    return None if context.actor.role == "admin" else context.actor.user_id
