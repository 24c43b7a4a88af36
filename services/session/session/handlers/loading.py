"""How a handler comes to its session."""

from collections.abc import Awaitable, Callable
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
    return await _visible(session_id, work, work.load)


async def look_at_session(session_id: UUID, work: Work) -> Session:
    """Give a session as it is now, for what records nothing: nobody waits until it is done. Raises as above."""
    return await _visible(session_id, work, work.store.load)


type _Load = Callable[[type[Session], UUID], Awaitable[Session]]


async def _visible(session_id: UUID, work: Work, load: _Load) -> Session:
    try:
        session = await load(Session, session_id)
    except Missing:
        session = None
    if session is None or session.deleted or not work.actor.may_see(session.user_id):
        raise Refusal(Code.SESSION_NOT_FOUND, f"There is no session {session_id}.")
    return session
