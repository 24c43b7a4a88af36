"""The stored events that a client has not seen: read for many clients at once, within bounds."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from uuid import UUID

from contracts.session.session import FindSessions
from runtime.bus import Bus
from runtime.envelope import Envelope
from runtime.stream_reader import Bounds, StreamMessage

from gateway.streams.audience import Audience
from gateway.streams.feed import Feed
from gateway.streams.items import DELETED, SESSION_EVENTS, Beat, Gap, PublishedEvent, named
from gateway.streams.listener import Listener
from gateway.streams.places import Place

OF_LIVING = SESSION_EVENTS - {DELETED}
"""Events that are told again only while their session exists: what was said in a deleted one is shown to nobody."""
READERS = 8
"""How many batches are read at once, whatever the number of clients that resume."""


class Replay:
    """Reads what the streams of the `feeds` hold; a client that gets nothing for `pause` seconds gets a beat."""

    def __init__(self, feeds: Mapping[str, Feed], bus: Bus, audience: Audience, *, pause: float) -> None:
        self.feeds, self.bus, self.audience, self.pause = feeds, bus, audience, pause
        self.readers = asyncio.Semaphore(READERS)

    async def behind(self, listener: Listener) -> AsyncGenerator[PublishedEvent | Beat | Gap | None]:
        """Yield what the client has not seen, and let it join those who hear what comes; a beat now and then.

        Raises as `ordered.messages` and `Bus.ask` do.
        """
        for _ in range(2):  # much, perhaps; then what came meanwhile
            newest = {service: await self.feeds[service].bounds() for service in listener.services}
            if gap := _out_of_reach(listener.place, newest):
                yield gap
                return
            for service, bounds in newest.items():
                async with aclosing(self._stored(listener, service)) as events:
                    async for event in events:
                        yield event
                listener.reach(service, bounds.last)
            self.audience.join(listener)

    async def _stored(self, listener: Listener, service: str) -> AsyncGenerator[PublishedEvent | Beat | None]:
        now = asyncio.get_running_loop().time
        stored, told = self.feeds[service].stored(listener.place.seen[service], listener.filter), now()
        async with aclosing(stored) as batches:
            while listener.last is None:
                if not await self._turn():
                    yield listener.beat()
                    continue
                try:
                    batch = await anext(batches, list[StreamMessage]())
                    if not batch:
                        return
                    events = await self._shown(batch, listener)
                finally:
                    self.readers.release()
                reached = batch[-1].sequence
                batch.clear()  # `stored` has the list too: who reads slowly holds what it is shown, not what was read
                for event in events:
                    if listener.last is None and listener.fresh(event):
                        yield event
                        told = now()
                listener.reach(service, reached)
                if now() - told >= self.pause:
                    yield listener.beat()
                    told = now()

    async def _shown(self, batch: list[StreamMessage], listener: Listener) -> list[PublishedEvent]:
        events = [PublishedEvent.read(message) for message in batch if listener.takes(named(message))]
        asked = list({UUID(event.resource) for event in events if event.name in OF_LIVING})
        if not asked:
            return events
        envelope = Envelope.begin(actor=listener.token.actor)
        there = set(map(str, await self.bus.ask(FindSessions(session_ids=asked), envelope)))
        return [event for event in events if event.name not in OF_LIVING or event.resource in there]

    async def _turn(self) -> bool:
        try:
            async with asyncio.timeout(self.pause):
                return await self.readers.acquire()
        except TimeoutError:
            return False


def _out_of_reach(place: Place, there: Mapping[str, Bounds]) -> Gap | None:
    near = dict(place.seen)
    for service, bounds in there.items():
        seen, oldest = place.seen[service], max(bounds.first - 1, 0)
        if seen > bounds.last or 0 < seen < oldest:
            near[service] = min(max(seen, oldest), bounds.last)
    return Gap(str(Place.at(near)), "expired") if near != place.seen else None
