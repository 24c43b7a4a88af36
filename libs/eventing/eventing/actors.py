"""The roles of users: what only administrators may do, and the present role for work that is done later."""

import time
from collections.abc import Awaitable, Callable
from uuid import UUID

from contracts.identity.user import GetActor
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from runtime.bus.envelope import Envelope

MAX_AGE = 1.0
"""Seconds for which an answer is cached. For as long, a user who was disabled keeps the previous role."""

type AskForActor = Callable[[GetActor, Envelope], Awaitable[Actor]]


class Actors:
    """The present actors of users, which identity is asked for at most once a second each."""

    def __init__(self, ask: AskForActor) -> None:
        self._ask, self._known = ask, dict[UUID, tuple[float, Actor]]()

    async def current(self, user_id: UUID, envelope: Envelope) -> Actor:
        """Return the user as an actor, for the message with this `envelope`.

        Raises:
            Refusal: USER_NOT_FOUND, USER_INACTIVE.
            Unavailable: identity did not answer, so the role is unknown and nothing may be done.
        """
        asked_at = time.monotonic()
        if user_id in self._known and asked_at - self._known[user_id][0] < MAX_AGE:
            return self._known[user_id][1]
        actor = await self._ask(GetActor(user_id=user_id), envelope.follow())
        self._known = {id_: known for id_, known in self._known.items() if asked_at - known[0] < MAX_AGE}
        self._known[user_id] = asked_at, actor
        return actor


def check_admin(actor: Actor, what: str) -> None:
    """Check that an actor is an administrator; `what` says what only administrators may do.

    Raises:
        Refusal: ADMINS_ONLY.
    """
    if actor.role != "admin":
        raise Refusal(Code.ADMINS_ONLY, f"Only administrators may {what}.")
