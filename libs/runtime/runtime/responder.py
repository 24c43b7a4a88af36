"""The server side of the bus: answers requests, many at once, and finishes those under way before it leaves."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error

from runtime.logging import get_logger

log = get_logger()

IN_FLIGHT = 64
DRAIN_TIMEOUT = 10.0
"""Seconds, for each of the two steps of leaving."""

type Answer = Callable[[Msg], Awaitable[bytes]]
"""Return what a request is answered with; raises nothing."""


class Responder:
    """Answers requests that come over one connection, of each subject at most `IN_FLIGHT` at once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._subscriptions: list[Subscription] = []
        self._under_way: set[asyncio.Task[None]] = set()

    async def subscribe(self, subject: str, queue: str, answer: Answer) -> None:
        """Answer requests to a subject, of which each goes to one of those in the queue."""
        free = asyncio.Semaphore(IN_FLIGHT)

        def done(task: asyncio.Task[None]) -> None:
            self._under_way.discard(task)
            free.release()

        async def take(request: Msg) -> None:
            await free.acquire()  # meanwhile the requests behind wait in the subscription
            task = asyncio.create_task(self._respond(request, answer))  # noqa: TID251  outlives the call
            self._under_way.add(task)
            task.add_done_callback(done)

        subscription = await self._client.subscribe(subject, queue, take)  # pyright: ignore[reportUnknownMemberType]
        self._subscriptions.append(subscription)

    async def drain(self) -> None:
        """Take no new requests, and finish the answers under way."""
        with suppress(Error, OSError):  # without a server there is nobody to tell
            async with asyncio.timeout(DRAIN_TIMEOUT):
                await asyncio.gather(*(subscription.drain() for subscription in self._subscriptions))
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=DRAIN_TIMEOUT)

    async def _respond(self, request: Msg, answer: Answer) -> None:
        body = await answer(request)
        try:
            await self._client.publish(request.reply, body)
        except (Error, OSError) as error:
            log.warning("an answer could not be sent", subject=request.subject, error=repr(error))
