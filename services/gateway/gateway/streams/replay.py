"""The stored events that a client has not seen yet, read for many clients concurrently, within limits."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from uuid import UUID

from contracts.messages import Query
from contracts.session.session import FindSessions
from contracts.task_scheduler.task import FindTasks
from runtime.bus import Bus
from runtime.bus.envelope import Envelope
from runtime.bus.stream_reader import Bounds, StreamMessage

from gateway.streams.audience import Audience
from gateway.streams.cursor import Cursor
from gateway.streams.feed import Feed
from gateway.streams.items import Gap, Heartbeat, PublishedEvent, event_name_of
from gateway.streams.listener import Listener

FIND: dict[str, Callable[[list[UUID]], Query[list[UUID]]]] = {
    "session": lambda ids: FindSessions(session_ids=ids),
    "task_scheduler": lambda ids: FindTasks(task_ids=ids),
}
"""For services whose events are replayed only while their session or task exists, the query for those that do.

The content of what was deleted is never sent again.
"""
READERS = 8
"""How many batches are read concurrently, whatever the number of clients that resume."""


class Replay:
    """Reads stored events from the streams of the `feeds`; yields a heartbeat after `pause` seconds without events."""

    def __init__(self, feeds: Mapping[str, Feed], bus: Bus, audience: Audience, *, pause: float) -> None:
        self.feeds, self.bus, self.audience, self.pause = feeds, bus, audience, pause
        self.readers = asyncio.Semaphore(READERS)

    async def missed(self, listener: Listener) -> AsyncGenerator[PublishedEvent | Heartbeat | Gap | None]:
        """Yield the events that the client has not seen, and let it join the audience, unless it already has.

        It reads twice, since events arrive while it reads: the client joins after the first pass, and the second one,
        which is short, closes the hole between the two. Events that come both ways have numbers, and are sent once.

        Raises as `ordered.messages` and `Bus.ask` do.
        """
        if listener in self.audience:
            return
        for _ in range(2):
            bounds = {service: await self.feeds[service].bounds() for service in listener.services}
            if gap := _find_gap(listener.cursor, bounds):
                yield gap
                return
            for service, stream in bounds.items():
                async with aclosing(self._stored(listener, service)) as events:
                    async for event in events:
                        yield event
                listener.skip_to(service, stream.last)
            self.audience.join(listener)

    async def _stored(self, listener: Listener, service: str) -> AsyncGenerator[PublishedEvent | Heartbeat | None]:
        now = asyncio.get_running_loop().time
        stored, yielded_at = self.feeds[service].stored(listener.cursor.seen[service], listener.filter), now()
        async with aclosing(stored) as batches:
            while listener.last is None:
                if not await self._acquire_reader():
                    yield listener.heartbeat()
                    continue
                try:
                    batch = await anext(batches, list[StreamMessage]())
                    if not batch:
                        return
                    events = await self._visible(batch, listener)
                finally:
                    self.readers.release()
                last = batch[-1].sequence
                batch.clear()  # the reader refers to it too: a slow client must hold its events only, not all messages
                for event in events:
                    if listener.last is None and listener.advance(event):
                        yield event
                        yielded_at = now()
                listener.skip_to(service, last)
                if now() - yielded_at >= self.pause:
                    yield listener.heartbeat()
                    yielded_at = now()

    async def _visible(self, batch: list[StreamMessage], listener: Listener) -> list[PublishedEvent]:
        events = [PublishedEvent.read(message) for message in batch if listener.selects(event_name_of(message))]
        existing = set[UUID]()
        for service, find in FIND.items():
            if ids := {id for each in events if each.event.service == service and (id := each.event.belongs_to)}:
                existing |= {*await self.bus.ask(find([*ids]), Envelope.begin(actor=listener.token.actor))}
        return [each for each in events if (id := each.event.belongs_to) is None or id in existing]

    async def _acquire_reader(self) -> bool:
        try:
            async with asyncio.timeout(self.pause):
                return await self.readers.acquire()
        except TimeoutError:
            return False


def _find_gap(cursor: Cursor, streams: Mapping[str, Bounds]) -> Gap | None:
    reachable = dict(cursor.seen)
    for service, bounds in streams.items():
        seen, oldest = cursor.seen[service], max(bounds.first - 1, 0)
        if seen > bounds.last or 0 < seen < oldest:
            reachable[service] = min(max(seen, oldest), bounds.last)
    return Gap(str(Cursor.at(reachable)), "expired") if reachable != cursor.seen else None
