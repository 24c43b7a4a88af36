"""How a handler comes to its session."""

from uuid import UUID

from contracts.refusals import Code, Refusal
from eventing.handling import UnitOfWork
from eventing.store import Missing

from session.aggregate import Session
from session.tools import Tools

type Work = UnitOfWork[Tools]


async def load_session(session_id: UUID, work: Work) -> Session:
    """Load a session of the actor's, an admin any.

    Raises:
        Refusal: SESSION_NOT_FOUND. What is another's, or gone, does not exist: nobody learns more than that.
    """
    try:
        session = await work.load(Session, session_id)
    except Missing:
        session = None
    if session is None or session.deleted or not work.actor.may_see(session.user_id):
        raise Refusal(Code.SESSION_NOT_FOUND, f"There is no session {session_id}.")
    return session
