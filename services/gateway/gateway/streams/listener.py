"""One client of a stream: what it listens to, what waits for it, and how far it has come."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Self
from uuid import UUID

from gateway.auth.tokens import Token
from gateway.streams.items import CLOSING, DELETED, GONE, Beat, Delta, End, Gap, Item, PublishedEvent, Reason
from gateway.streams.places import Place
from gateway.streams.types import Wanted, wanted

QUEUE, QUEUE_BYTES = 256, 1024 * 1024
"""How many events, and bytes and one event, may wait for a client before it is told that it missed some."""


class Listener:
    """Takes what the bus says about `key`, a user or a session, and hands it out in order, each once.

    `filter` says the same for what is stored: `<owner>.<resource>`, one of them `*`.
    """

    def __init__(self, token: Token, key: str, filter: str, services: tuple[str, ...], wanted: Wanted) -> None:  # noqa: A002  its name on the bus
        self.token, self.key, self.filter, self.services, self.wanted = token, key, filter, services, wanted
        self.place = Place(services)
        self.last: End | None = None
        self._missed: Reason | None = None
        self._moved = False
        self._queue = deque[Item]()
        self._waiting = 0
        self._news = asyncio.Event()

    @classmethod
    def of_session(
        cls, token: Token, session_id: UUID, types: str | None = None, called: Callable[[str], str] = str
    ) -> Self:
        """Listen to one session: its events, and what its agent is saying. Raises as `wanted` does."""
        return cls(token, str(session_id), f"*.{session_id}", ("session",), wanted(types, "*", called))

    @classmethod
    def of_user(cls, token: Token, services: tuple[str, ...], types: str | None) -> Self:
        """Listen to the events of all that the token's user has. Raises as `wanted` does."""
        user_id = str(token.actor.user_id)
        return cls(token, user_id, f"{user_id}.*", services, wanted(types, "*.*"))

    @property
    def lost(self) -> bool:
        """Whether nothing more is worth offering."""
        return self._missed is not None or self.last is not None

    def wants(self, name: str) -> bool:
        """Whether something of this name is worth offering."""
        return not self.lost and self.takes(name)

    def takes(self, name: str) -> bool:
        """Whether the client is told of this name: what it asked for, and that its session is deleted."""
        return self.wanted(name) or (name == DELETED and self.filter.startswith("*."))

    def is_over(self, told: object) -> bool:
        """Whether nothing can follow what was told: the session that is listened to was deleted."""
        return isinstance(told, PublishedEvent) and told.name == DELETED and told.resource == self.key

    def offer(self, item: Item) -> None:
        """Let an item wait for the client; one that is too many is the beginning of a gap."""
        if not self.wants(item.name):
            return
        if len(self._queue) < QUEUE and self._waiting < QUEUE_BYTES:
            self._queue.append(item)
            self._waiting += item.size
        else:
            self._missed = "slow"
        self._news.set()

    def lose(self, service: str) -> None:
        """Let the stream end with a gap, behind what waits, if it follows this service: the bus has lost its events."""
        if service not in self.services:
            return
        self.place.seen[service] = 0
        self._missed = "expired"
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

    def fresh(self, item: PublishedEvent) -> bool:
        """Whether the client has not seen the event; it has from now on."""
        if item.sequence <= self.place.seen[item.service]:
            return False
        self.place.seen[item.service] = item.sequence
        self._moved = False
        return True

    def reach(self, service: str, sequence: int) -> None:
        """Go on to a number behind which nothing is that the client has yet to see."""
        if sequence > self.place.seen[service]:
            self.place.seen[service] = sequence
            self._moved = True

    def beat(self) -> Beat | None:
        """Give the place if the client does not know it: no event that it saw had it as its id."""
        moved, self._moved = self._moved, False
        return Beat(str(self.place)) if moved else None

    @property
    def idle(self) -> bool:
        """Whether all that was offered was handed out."""
        return not self._queue and not self.lost

    async def heard(self, pause: float) -> AsyncGenerator[Item | Gap | End | None]:
        """Give what is offered until the stream ends, its reason last; None when nothing came for `pause` seconds."""
        while self.last is None:
            if self._queue:
                item = self._queue.popleft()
                self._waiting -= item.size
                if isinstance(item, Delta) or self.fresh(item):
                    yield item
            elif self._missed:
                yield Gap(str(self.place), self._missed)
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
