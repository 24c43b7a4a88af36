"""One client of a stream: what it listens to, what waits for it, and how far it has come."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Self
from uuid import UUID

from gateway.auth.tokens import Token
from gateway.streams.items import CLOSING, GONE, Delta, End, Fact, Gap, Item, Reply
from gateway.streams.places import Place
from gateway.streams.types import Wanted, wanted

QUEUE = 256
"""How many events may wait for a client before it is told that it missed some."""


class Listener:
    """Takes what the bus says about `key`, a user or a session, and hands it out in order, each once.

    `filter` says the same for what is stored: `<owner>.<resource>`, one of them `*`.
    """

    def __init__(self, token: Token, key: str, filter: str, services: tuple[str, ...], wanted: Wanted) -> None:  # noqa: A002  its name on the bus
        self.token, self.key, self.filter, self.services, self.wanted = token, key, filter, services, wanted
        self.place = Place(services)
        self.last: End | None = None
        self._missed = False
        self._queue = deque[Item]()
        self._news = asyncio.Event()

    @classmethod
    def of_session(cls, token: Token, session_id: UUID, types: str | None = None) -> Self:
        """Listen to one session: its facts, and what its agent is saying. Raises as `wanted` does."""
        return cls(token, str(session_id), f"*.{session_id}", ("session",), wanted(types, "*"))

    @classmethod
    def of_user(cls, token: Token, services: tuple[str, ...], types: str | None) -> Self:
        """Listen to the facts of all that the token's user has. Raises as `wanted` does."""
        user_id = str(token.actor.user_id)
        return cls(token, user_id, f"{user_id}.*", services, wanted(types, "*.*"))

    @property
    def lost(self) -> bool:
        """Whether nothing more is worth offering."""
        return self._missed or self.last is not None

    def offer(self, item: Item) -> None:
        """Let an item wait for the client; one that is too many is the beginning of a gap."""
        if self.lost or not (isinstance(item, Reply) or self.wanted(item.name)):
            return
        if len(self._queue) < QUEUE:
            self._queue.append(item)
        else:
            self._missed = True
        self._news.set()

    def miss(self) -> None:
        """Let the stream end with a gap, behind what waits: facts are no longer where they were."""
        self._missed = True
        self._news.set()

    def end(self, last: End) -> None:
        """End the stream now; what waits is left, and can be had by resuming."""
        self.last = self.last or last
        self._news.set()

    def close(self) -> None:
        """End the stream because the server stops."""
        self.end(CLOSING)

    def leave(self) -> None:
        """End the stream because its client is gone."""
        self.end(GONE)

    def fresh(self, item: Fact) -> bool:
        """Whether the client has not seen the fact; it has from now on."""
        if item.sequence <= self.place.seen[item.service]:
            return False
        self.place.seen[item.service] = item.sequence
        return True

    async def heard(self, pause: float) -> AsyncGenerator[Item | Gap | End | None]:
        """Give what is offered until the stream ends, its reason last; None when nothing came for `pause` seconds."""
        while self.last is None:
            if self._queue:
                item = self._queue.popleft()
                if isinstance(item, Delta | Reply) or self.fresh(item):
                    yield item
            elif self._missed:
                yield Gap(str(self.place))
                return
            elif not await self._pause(pause):
                yield None
        yield self.last

    async def _pause(self, seconds: float) -> bool:
        self._news.clear()
        try:
            async with asyncio.timeout(seconds):
                return await self._news.wait()
        except TimeoutError:
            return False
