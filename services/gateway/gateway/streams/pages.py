"""Stored events in pages, for clients that ask for them from time to time."""

import asyncio
from collections.abc import Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from heapq import merge
from itertools import islice

from runtime.bus import BUS_ERRORS, Unavailable
from runtime.bus.ordered import Lost

from gateway.streams.cursor import Cursor
from gateway.streams.items import PublishedEvent
from gateway.streams.listener import Listener
from gateway.streams.replay import Replay, find_gap

PAGE_SECONDS = 5.0
"""For how long events are read; if few of them are selected, a page has fewer than it may have."""
PAGE_BYTES = 1024 * 1024
"""After how many bytes no more events of a service are read."""


@dataclass(frozen=True)
class EventPage:
    """Events in the order of their time, those of one service in their own order.

    `cursor` is where the next page begins; `more` whether it may have events. If events before the page are no longer
    stored, it is `expired`.
    """

    events: list[PublishedEvent]
    cursor: Cursor
    more: bool
    expired: bool


@dataclass
class _Read:
    """What was read of one service, up to the cursor of the listener."""

    listener: Listener
    service: str
    events: list[PublishedEvent]
    more: bool = True

    def position(self, taken: list[PublishedEvent], before: int) -> int:
        """Return where the next page begins, if this one has the events `taken`; this one began at `before`."""
        own = [event.sequence for event in taken if event.event.service == self.service]
        if len(own) == len(self.events):
            return self.listener.cursor.seen[self.service]
        return own[-1] if own else before


async def read_page(replay: Replay, listener: Listener, limit: int) -> EventPage:
    """Return the next `limit` events after the cursor of the listener.

    Raises:
        Unavailable: the events cannot be read.
    """
    try:
        bounds = {service: await replay.feeds[service].bounds() for service in listener.services}
        gap = find_gap(listener.cursor, bounds)
        seen = Cursor.parse(gap.resume_from, listener.services).seen if gap else listener.cursor.seen
        reading = (_read(replay, listener, service, seen[service], limit) for service in listener.services)
        reads = await asyncio.gather(*reading)
    except (Lost, *BUS_ERRORS) as error:
        raise Unavailable("the events cannot be read at the moment") from error
    events = list(islice(merge(*(read.events for read in reads), key=_time), limit))
    cursor = Cursor.at({read.service: read.position(events, seen[read.service]) for read in reads})
    return EventPage(events, cursor, _are_left(reads, events), gap is not None)


async def _read(replay: Replay, listener: Listener, service: str, after: int, limit: int) -> _Read:
    own = Listener(listener.token, listener.key, listener.filter, (service,), listener.wanted)
    own.cursor = Cursor.at({service: after})
    read, size = _Read(own, service, []), 0
    with suppress(TimeoutError):
        async with asyncio.timeout(PAGE_SECONDS), aclosing(replay.stored(own, service)) as items:
            async for item in items:
                if isinstance(item, PublishedEvent):
                    read.events.append(item)
                    size += item.size
                if len(read.events) >= limit or size >= PAGE_BYTES:
                    return read
            read.more = False
    return read


def _are_left(reads: Iterable[_Read], events: list[PublishedEvent]) -> bool:
    return any(read.more for read in reads) or sum(len(read.events) for read in reads) > len(events)


def _time(event: PublishedEvent) -> str:
    return event.event.time
