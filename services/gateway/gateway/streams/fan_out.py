"""Fans out events: each gateway reads the events of each service once, and hands them to all clients concerned."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import datetime

from contracts.catalogue import SERVICES
from contracts.session.deltas import DELTA_SUBJECTS
from runtime.bus import BUS_ERRORS, Bus, Client, Unavailable
from runtime.bus.ordered import Lost, Purged
from runtime.bus.pubsub import subscribed
from runtime.forever import forever
from runtime.logging import get_logger

from gateway.clients.auth.tokens import Tokens
from gateway.problems import EdgeCode, Problem
from gateway.streams.audience import Audience
from gateway.streams.cursor import Cursor
from gateway.streams.feed import Feed
from gateway.streams.items import End, Gap, Heartbeat, Item
from gateway.streams.listener import Listener
from gateway.streams.open_streams import OpenStreams
from gateway.streams.replay import Replay

log = get_logger()

TOKEN_CHECK_SECONDS = 0.5
"""How soon a token that is no longer valid ends its streams."""
LINGER_SECONDS = 30.0
"""How long the feeds are followed without a client: the next one then waits for nothing."""
CLOSE_TIMEOUT_SECONDS = 2.0
START_TIMEOUT_SECONDS = 5.0

type StreamItem = Item | Heartbeat | Gap | End | None


class Streams:
    """The connected clients, and the feeds, which are followed only while there are clients, and for a while after."""

    def __init__(self, client: Client, bus: Bus, tokens: Tokens, counted: OpenStreams, heartbeat: float) -> None:
        self.client, self.tokens, self.counted, self.heartbeat = client, tokens, counted, heartbeat
        self.audience = Audience()
        self.open = self.audience.open
        self.feeds = {service: Feed(client, service, self.audience) for service in SERVICES}
        self._occupied, self._empty, self._deltas_ready = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._closing = False
        self.replay = Replay(self.feeds, bus, self.audience, pause=heartbeat)

    async def run(self) -> None:
        """Follow the events as long as there are clients, and for a while after; to be run repeatedly."""
        await self._occupied.wait()
        async with asyncio.TaskGroup() as tasks:
            works = {f"feed of {feed.service}": feed.follow for feed in self.feeds.values()}
            works |= {"deltas": self._follow_deltas, "tokens of streams": self._check_tokens}
            running = [tasks.create_task(forever(name, work)) for name, work in works.items()]
            while self.open:  # a client may have connected before this task woke up
                await self._empty.wait()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._occupied.wait(), LINGER_SECONDS)
            self._deltas_ready.clear()
            for feed in self.feeds.values():
                feed.reset()
            for task in running:
                task.cancel()

    async def close(self) -> None:
        """End all streams, and wait up to `CLOSE_TIMEOUT_SECONDS` until they have ended."""
        self._closing = True
        for listener in self.open:
            listener.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                while self.open:
                    await self._empty.wait()
                await self.counted.record()

    @asynccontextmanager
    async def listening(self, listener: Listener) -> AsyncGenerator[None]:
        """Register a client, so that the feeds are followed.

        Raises:
            Problem: TOO_MANY_STREAMS, the user has reached the limit of open streams.
        """
        async with self.counted.one(listener.token.actor):
            self.open.add(listener)
            self._empty.clear()
            self._occupied.set()
            if self._closing:
                listener.close()
            try:
                yield
            finally:
                self.open.discard(listener)
                self.audience.leave(listener)
                if not self.open:
                    self._occupied.clear()
                    self._empty.set()

    async def start(self, listener: Listener, after: str | None) -> None:
        """Set the cursor of the listener: to the event with the id `after`, or else to the newest event.

        Raises:
            Problem: `after` is not an id of this stream.
            Unavailable: the bus does not answer.
        """
        cursor = None if after is None else Cursor.parse(after, listener.services)
        await self._wait_until_live(listener)
        if cursor is None:  # no await between reading the position and joining, so that no event is missed
            listener.cursor.seen = {service: self.feeds[service].position or 0 for service in listener.services}
            self.audience.join(listener)
        else:
            listener.cursor = cursor

    async def cursor_at(self, services: tuple[str, ...], time: datetime) -> Cursor:
        """Return the cursor of a client that has seen all events which were published before a time.

        Raises:
            Unavailable: the bus does not answer.
        """
        try:
            numbers = await asyncio.gather(*(self.feeds[service].reader.newest_before(time) for service in services))
        except BUS_ERRORS as error:
            raise Unavailable("the events cannot be read at the moment") from error
        return Cursor.at(dict(zip(services, numbers, strict=True)))

    async def items(self, listener: Listener) -> AsyncGenerator[StreamItem]:
        """Yield the items of a stream in order, each event once; a heartbeat, or None, after a pause without items.

        A gap, an end, and the deletion of the followed session are the last item.
        """
        async with aclosing(self._replayed_and_live(listener)) as items:
            async for item in items:
                yield item
                if isinstance(item, Gap) or listener.is_over(item):
                    return

    async def _replayed_and_live(self, listener: Listener) -> AsyncGenerator[StreamItem]:
        try:
            async with aclosing(self.replay.missed(listener)) as missed:
                async for item in missed:
                    yield item
            async with aclosing(listener.live(self.heartbeat)) as live:
                async for item in live:
                    yield item or self._heartbeat(listener)
        except Purged:
            yield Gap(str(listener.cursor), "expired")
        except (Lost, Unavailable, *BUS_ERRORS) as error:
            log.warning("stream could not catch up", error=repr(error))
            yield End(EdgeCode.UNAVAILABLE, "The events are temporarily unavailable. Connect again to resume.")

    def _heartbeat(self, listener: Listener) -> Heartbeat | None:
        if listener.idle:  # all items up to the positions of the feeds have been offered and yielded
            for service in listener.services:
                listener.skip_to(service, self.feeds[service].position or 0)
        return listener.heartbeat()

    async def _wait_until_live(self, listener: Listener) -> None:
        try:
            async with asyncio.timeout(START_TIMEOUT_SECONDS):
                await self._deltas_ready.wait()
                for service in listener.services:
                    await self.feeds[service].live.wait()
        except TimeoutError:
            raise Unavailable("the events cannot be followed at the moment") from None

    async def _follow_deltas(self) -> None:
        try:
            async with subscribed(self.client, [DELTA_SUBJECTS], self.audience.publish_delta):
                self._deltas_ready.set()
                await asyncio.Event().wait()
        finally:
            self._deltas_ready.clear()

    async def _check_tokens(self) -> None:
        for listener in self.open:
            try:
                self.tokens.check(listener.token)
            except Problem as problem:
                listener.end(End.of(problem))
        await asyncio.sleep(TOKEN_CHECK_SECONDS)
