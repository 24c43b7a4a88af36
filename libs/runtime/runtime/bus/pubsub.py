"""Messages that go to current subscribers only and are not stored."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from runtime.bus import BUS_ERRORS, Client
from runtime.bus.client import is_sent

type MessageHandler = Callable[[str, bytes], Awaitable[None]]


async def subscribe(
    client: Client, subject: str, handler: Callable[[Msg], Awaitable[None]] | None = None, *, queue: str = ""
) -> Subscription:
    """Subscribe to a subject; without a `handler`, messages are read from the subscription.

    Each message goes to one of the subscribers with the same `queue`, if that is set.
    """
    # nats-py does not annotate all parameters
    return await cast(Any, client).subscribe(subject, queue, cb=handler)


@asynccontextmanager
async def subscribed(client: Client, subjects: list[str], handler: MessageHandler) -> AsyncGenerator[None]:
    """Call `handler` with the subject and the body of each message that arrives while the context is open.

    What a stream delivers to these subjects is ignored: a service can have its own messages delivered to any.

    Raises:
        Unavailable, nats.errors.Error, OSError: the bus is unavailable, so messages would be missed.
    """

    async def handle(message: Msg) -> None:
        if any(is_sent(message, subject) for subject in subjects):
            await handler(message.subject, message.data)

    subscriptions = [await subscribe(client, subject, handle) for subject in subjects]
    try:
        await client.flush()  # so that the subscription is active before the context is entered
        yield
    finally:
        for subscription in subscriptions:
            with suppress(*BUS_ERRORS):
                await subscription.unsubscribe()
