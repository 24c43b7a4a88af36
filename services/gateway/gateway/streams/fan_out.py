"""What happens, told to clients as it does: one reader of each service's events, fanned out to all who listen."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass

from contracts.catalogue import SERVICES
from contracts.session.deltas import DELTA_SUBJECTS
from runtime.bus import BUS_ERRORS, Bus, Client, Unavailable
from runtime.forever import forever
from runtime.logging import get_logger
from runtime.ordered import Lost, Purged
from runtime.pubsub import subscribed

from gateway.auth.tokens import Tokens
from gateway.problems import EdgeCode, Problem
from gateway.streams.audience import Audience
from gateway.streams.feed import Feed
from gateway.streams.items import Beat, End, Gap, Item
from gateway.streams.listener import Listener
from gateway.streams.places import Place
from gateway.streams.replay import Replay

log = get_logger()

TICK = 1.0
"""How soon a token that is no longer good ends its streams."""
CLOSING = 2.0
TOO_MANY_RETRY = 10
"""Seconds after which a user who has too many streams may try again."""
READY = 5.0

type AgentEvent = Item | Beat | Gap | End | None


@dataclass(frozen=True)
class Limits:
    """Seconds after which a quiet stream beats, and how many streams a user may have open at this gateway."""

    heartbeat: float
    per_user: int


class Streams:
    """The clients that listen, and the feeds, which are followed only while somebody does."""

    def __init__(self, client: Client, bus: Bus, tokens: Tokens, limits: Limits) -> None:
        self.client, self.tokens, self.limits = client, tokens, limits
        self.audience = Audience()
        self.open = self.audience.open
        self.feeds = {service: Feed(client, service, self.audience) for service in SERVICES}
        self._some, self._none, self._deltas = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._closing = False
        self.replay = Replay(self.feeds, bus, self.audience, pause=limits.heartbeat)

    async def run(self) -> None:
        """Follow the events as long as somebody listens; to be run forever."""
        await self._some.wait()
        async with asyncio.TaskGroup() as tasks:
            works = {f"feed of {feed.service}": feed.follow for feed in self.feeds.values()}
            works |= {"deltas": self._hear_deltas, "tokens of streams": self._check_tokens}
            running = [tasks.create_task(forever(name, work)) for name, work in works.items()]
            while self.open:  # somebody may have come before this woke up
                await self._none.wait()
            self._deltas.clear()
            for feed in self.feeds.values():
                feed.forget()
            for task in running:
                task.cancel()

    async def close(self) -> None:
        """End all streams, and wait a moment until they have."""
        self._closing = True
        for listener in self.open:
            listener.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING):
                while self.open:
                    await self._none.wait()

    @contextmanager
    def listening(self, listener: Listener) -> Generator[None]:
        """Count a client in, so that the feeds are followed.

        Raises:
            Problem: 429; the user has as many streams open as one may have.
        """
        self._check_limit(listener)
        self.open.add(listener)
        self._none.clear()
        self._some.set()
        if self._closing:
            listener.close()
        try:
            yield
        finally:
            self.open.discard(listener)
            self.audience.part(listener)
            if not self.open:
                self._some.clear()
                self._none.set()

    def _check_limit(self, listener: Listener) -> None:
        user_id = listener.token.actor.user_id
        if sum(other.token.actor.user_id == user_id for other in self.open) >= self.limits.per_user:
            detail = f"You have {self.limits.per_user} streams open at this server: close one."
            wait = {"Retry-After": str(TOO_MANY_RETRY)}
            raise Problem(EdgeCode.TOO_MANY_STREAMS, detail, headers=wait, retry_after=TOO_MANY_RETRY)

    async def start(self, listener: Listener, after: str | None) -> None:
        """Put the listener at its place: behind the event `after`, or else at what comes from now on.

        Raises:
            Problem: there is no such place.
            Unavailable: the bus does not answer.
        """
        place = None if after is None else Place.read(after, listener.services)
        await self._live(listener)
        if place is None:  # nothing awaited between the look at the position and joining: nothing is missed
            listener.place.seen = {service: self.feeds[service].position or 0 for service in listener.services}
            self.audience.join(listener)
        else:
            listener.place = place

    async def told(self, listener: Listener) -> AsyncGenerator[AgentEvent]:
        """Give what the listener is told, in order, each event once; a beat, or None, now and then without an event.

        The deletion of a session is the last that is told of it.
        """
        try:
            if listener not in self.audience:
                async with aclosing(self.replay.behind(listener)) as events:
                    async for event in events:
                        yield event
                        if isinstance(event, Gap) or listener.is_over(event):
                            return
            async with aclosing(listener.heard(self.limits.heartbeat)) as told:
                async for item in told:
                    yield item or self._beat(listener)
                    if listener.is_over(item):
                        return
        except Purged:
            yield Gap(str(listener.place), "expired")
        except (Lost, Unavailable, *BUS_ERRORS) as error:
            log.warning("a stream could not catch up", error=repr(error))
            yield End(EdgeCode.UNAVAILABLE, "The events cannot be read now. Connect again to resume.")

    def _beat(self, listener: Listener) -> Beat | None:
        if listener.idle:  # then all was offered and handed out that is before the feeds' positions
            for service in listener.services:
                listener.reach(service, self.feeds[service].position or 0)
        return listener.beat()

    async def _live(self, listener: Listener) -> None:
        try:
            async with asyncio.timeout(READY):
                await self._deltas.wait()
                for service in listener.services:
                    await self.feeds[service].live.wait()
        except TimeoutError:
            raise Unavailable("the events cannot be followed now") from None

    async def _hear_deltas(self) -> None:
        try:
            async with subscribed(self.client, [DELTA_SUBJECTS], self.audience.hear_delta):
                self._deltas.set()
                await asyncio.Event().wait()
        finally:
            self._deltas.clear()

    async def _check_tokens(self) -> None:
        for listener in self.open:
            try:
                self.tokens.check(listener.token)
            except Problem as problem:
                listener.end(End.of(problem))
        await asyncio.sleep(TICK)
