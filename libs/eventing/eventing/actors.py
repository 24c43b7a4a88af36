"""Who somebody is by now: work that is done later is done with the role that its owner has then."""

import time
from collections.abc import Awaitable, Callable
from uuid import UUID

from contracts.identity.queries import GetActor
from contracts.messages import Actor
from runtime.envelope import Envelope

MAX_AGE = 1.0
"""Seconds for which an answer is used: for as long, one who was disabled or has another role acts as before."""

type AskForActor = Callable[[GetActor, Envelope], Awaitable[Actor]]


class Actors:
    """The actors that users are at present, as identity says; each is asked for at most once a second."""

    def __init__(self, ask: AskForActor) -> None:
        self._ask, self._known = ask, dict[UUID, tuple[float, Actor]]()

    async def current(self, user_id: UUID, envelope: Envelope) -> Actor:
        """Return the user as an actor; `envelope` is of the message that this is asked for.

        Raises:
            Refusal: USER_NOT_FOUND, USER_INACTIVE.
            Unavailable: identity did not answer; nobody acts with a role that is not known.
        """
        asked_at = time.monotonic()
        if user_id in self._known and asked_at - self._known[user_id][0] < MAX_AGE:
            return self._known[user_id][1]
        actor = await self._ask(GetActor(user_id=user_id), envelope.follow())
        self._known = {id_: known for id_, known in self._known.items() if asked_at - known[0] < MAX_AGE}
        self._known[user_id] = asked_at, actor
        return actor
