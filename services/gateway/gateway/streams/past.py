"""The stored facts that a client has not seen: read for many clients at once, within bounds."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from uuid import UUID

from contracts.session.session import FindSessions
from nats.aio.msg import Msg
from nats.js.api import StreamState
from runtime.bus import Bus
from runtime.envelope import Envelope

from gateway.streams.feed import Feed
from gateway.streams.items import DELETED, SESSION_FACTS, Beat, Fact, Gap, named
from gateway.streams.listener import Listener
from gateway.streams.places import Place

OF_LIVING = SESSION_FACTS - {DELETED}
"""Facts that are told again only while their session exists: what was said in a deleted one is shown to nobody."""
READERS = 8
"""How many batches are read at once, whatever the number of clients that resume."""


class Past:
    """Reads what the streams of the `feeds` hold; a client that gets nothing for `pause` seconds gets a beat."""

    def __init__(self, feeds: Mapping[str, Feed], bus: Bus, *, pause: float) -> None:
        self.feeds, self.bus, self.pause = feeds, bus, pause
        self.readers = asyncio.Semaphore(READERS)

    async def behind(
        self, listener: Listener, join: Callable[[Listener], None]
    ) -> AsyncGenerator[Fact | Beat | Gap | None]:
        """Give what the client has not seen, and let it `join` those who hear what comes; a beat now and then.

        Raises as `ordered.messages` and `Bus.ask` do.
        """
        for _ in range(2):  # much, perhaps; then what came meanwhile
            newest = {service: await self.feeds[service].state() for service in listener.services}
            if gap := _out_of_reach(listener.place, newest):
                yield gap
                return
            for service, state in newest.items():
                async with aclosing(self._stored(listener, service)) as facts:
                    async for fact in facts:
                        yield fact
                listener.reach(service, state.last_seq)
            join(listener)

    async def _stored(self, listener: Listener, service: str) -> AsyncGenerator[Fact | Beat | None]:
        now = asyncio.get_running_loop().time
        stored, told = self.feeds[service].stored(listener.place.seen[service], listener.filter), now()
        async with aclosing(stored) as batches:
            while listener.last is None:
                if not await self._turn():
                    yield listener.beat()
                    continue
                try:
                    batch = await anext(batches, list[Msg]())
                    if not batch:
                        return
                    facts = await self._shown(batch, listener)
                finally:
                    self.readers.release()
                reached = batch[-1].metadata.sequence.stream
                batch.clear()  # `stored` has the list too: who reads slowly holds what it is shown, not what was read
                for fact in facts:
                    if listener.last is None and listener.fresh(fact):
                        yield fact
                        told = now()
                listener.reach(service, reached)
                if now() - told >= self.pause:
                    yield listener.beat()
                    told = now()

    async def _shown(self, batch: list[Msg], listener: Listener) -> list[Fact]:
        facts = [Fact.read(message) for message in batch if listener.takes(named(message))]
        asked = list({UUID(fact.resource) for fact in facts if fact.name in OF_LIVING})
        if not asked:
            return facts
        envelope = Envelope.begin(actor=listener.token.actor)
        there = set(map(str, await self.bus.ask(FindSessions(session_ids=asked), envelope)))
        return [fact for fact in facts if fact.name not in OF_LIVING or fact.resource in there]

    async def _turn(self) -> bool:
        try:
            async with asyncio.timeout(self.pause):
                return await self.readers.acquire()
        except TimeoutError:
            return False


def _out_of_reach(place: Place, states: Mapping[str, StreamState]) -> Gap | None:
    near = dict(place.seen)
    for service, state in states.items():
        seen, oldest = place.seen[service], max(state.first_seq - 1, 0)
        if seen > state.last_seq or 0 < seen < oldest:
            near[service] = min(max(seen, oldest), state.last_seq)
    return Gap(str(Place.at(near)), "expired") if near != place.seen else None
