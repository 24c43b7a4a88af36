"""One client of a stream: what it follows, the items queued for it, and its position."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Self
from uuid import UUID

from contracts.event_types import Selected
from contracts.public_event import SESSION_DELETED

from gateway.clients.auth.token import Token
from gateway.streams.cursor import Cursor
from gateway.streams.items import GONE, SHUTTING_DOWN, Delta, End, Gap, Heartbeat, Item, PublishedEvent, Reason
from gateway.streams.types import wanted

MAX_QUEUED, MAX_QUEUED_BYTES = 256, 1024 * 1024
"""How many items may be queued, and after how many bytes none is added, before the client gets a gap."""


class Listener:
    """Receives what is published about `key`, a user or a session, and yields it in order, each item once.

    `filter` selects the same events in the stored streams: `<owner>.<resource>`, one of them `*`.
    """

    def __init__(self, token: Token, key: str, filter: str, services: tuple[str, ...], wanted: Selected) -> None:  # noqa: A002  its name on the bus
        self.token, self.key, self.filter, self.services, self.wanted = token, key, filter, services, wanted
        self.cursor = Cursor(services)
        self.last: End | None = None
        self._gap: Reason | None = None
        self._lost = set[str]()
        self._moved = False
        self._queue = deque[Item]()
        self._queued_bytes = 0
        self._changed = asyncio.Event()

    @classmethod
    def of_session(
        cls, token: Token, session_id: UUID, types: str | None = None, alias: Callable[[str], str] = str
    ) -> Self:
        """Return a listener to the events and text deltas of one session. Raises as `wanted` does."""
        return cls(token, str(session_id), f"*.{session_id}", ("session",), wanted(types, "*", alias))

    @classmethod
    def of_user(cls, token: Token, services: tuple[str, ...], types: str | None) -> Self:
        """Return a listener to the events of everything that the token's user owns. Raises as `wanted` does."""
        user_id = str(token.actor.user_id)
        return cls(token, user_id, f"{user_id}.*", services, wanted(types, "*.*"))

    @property
    def ending(self) -> bool:
        """Whether the stream ends after the queued items, so that no more are accepted."""
        return self._gap is not None or self.last is not None

    def wants(self, name: str) -> bool:
        """Return whether an item of this name would be accepted."""
        return not self.ending and self.selects(name)

    def selects(self, name: str) -> bool:
        """Return whether the client receives items of this name: those selected, and the deletion of its session."""
        return self.wanted(name) or (name == SESSION_DELETED and self.filter.startswith("*."))

    def is_over(self, item: object) -> bool:
        """Return whether nothing can follow the item, because it is the deletion of the followed session."""
        if not isinstance(item, PublishedEvent) or item.name != SESSION_DELETED:
            return False
        return str(item.event.resource) == self.key

    def offer(self, item: Item) -> None:
        """Queue an item for the client; the first one that exceeds the limits begins a gap."""
        if not self.wants(item.name):
            return
        if len(self._queue) < MAX_QUEUED and self._queued_bytes < MAX_QUEUED_BYTES:
            self._queue.append(item)
            self._queued_bytes += item.size
        else:
            self._gap = "slow"
        self._changed.set()

    def report_loss(self, service: str) -> None:
        """End the stream with a gap after the queued items, if it follows this service: the bus lost its events."""
        if service not in self.services:
            return
        self._lost.add(service)
        self._gap = "expired"
        self._changed.set()

    def end(self, last: End) -> None:
        """End the stream now; the client gets the queued items when it resumes."""
        self.last = self.last or last
        self._changed.set()

    def close(self) -> None:
        """End the stream because the server shuts down."""
        self.end(SHUTTING_DOWN)

    def leave(self) -> None:
        """End the stream because its client is gone."""
        self.end(GONE)

    def advance(self, event: PublishedEvent) -> bool:
        """Mark an event as seen, and return whether it was not seen before."""
        service = event.event.service
        if event.sequence <= self.cursor.seen[service]:
            return False
        self.cursor.seen[service] = event.sequence
        self._moved = False
        return True

    def skip_to(self, service: str, sequence: int) -> None:
        """Move to a sequence number up to which the client has nothing left to see."""
        if sequence > self.cursor.seen[service]:
            self.cursor.seen[service] = sequence
            self._moved = True

    def heartbeat(self) -> Heartbeat | None:
        """Return the cursor if the client does not know it, since no event that it received had it as its id."""
        moved, self._moved = self._moved, False
        return Heartbeat(str(self.cursor)) if moved else None

    @property
    def idle(self) -> bool:
        """Whether no item is queued and the stream does not end."""
        return not self._queue and not self.ending

    async def live(self, pause: float) -> AsyncGenerator[Item | Gap | End | None]:
        """Yield offered items until the stream ends, a gap or an end last; None after each `pause` seconds without."""
        while self.last is None:
            if self._queue:
                item = self._queue.popleft()
                self._queued_bytes -= item.size
                if isinstance(item, Delta) or self.advance(item):
                    yield item
            elif self._gap:
                # After the queued items, whose old numbers would move the cursor beyond the new ones of the stream.
                self.cursor.seen.update(dict.fromkeys(self._lost, 0))
                yield Gap(str(self.cursor), self._gap)
                return
            elif not await self._wait(pause):
                yield None
        yield self.last

    async def _wait(self, seconds: float) -> bool:
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                return await self._changed.wait()
        except TimeoutError:
            return False
