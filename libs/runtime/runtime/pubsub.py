"""Messages that go to whoever listens just now, and are stored nowhere."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from runtime.bus import BUS_ERRORS, Client

type Take = Callable[[str, bytes], Awaitable[None]]


async def subscribe(client: Client, subject: str, take: Callable[[Msg], Awaitable[None]] | None = None) -> Subscription:
    """Subscribe to a subject; without `take`, messages are read from the subscription."""
    # nats-py leaves one of its parameters without a type
    return await cast(Any, client).subscribe(subject, cb=take)


@asynccontextmanager
async def subscribed(client: Client, subjects: list[str], take: Take) -> AsyncGenerator[None]:
    """Give the subject and the body of each message to `take`, from now on and as long as the context is open.

    Raises:
        Unavailable, nats.errors.Error, OSError: the bus is away, so that what comes now would be missed.
    """

    async def taken(message: Msg) -> None:
        await take(message.subject, message.data)

    subscriptions = [await subscribe(client, subject, taken) for subject in subjects]
    try:
        await client.flush()  # else what is published at once may be missed
        yield
    finally:
        for subscription in subscriptions:
            with suppress(*BUS_ERRORS):
                await subscription.unsubscribe()
