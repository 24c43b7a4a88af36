"""A relay that publishes marbles, whose sizes tell one from the other."""

from contextlib import AbstractAsyncContextManager

from contracts.messages import Event
from nats.js import JetStreamContext
from runtime.forever import forever
from runtime.testing import background, eventually

from eventing.postgres import PostgresStore
from eventing.relay import Relay
from eventing.reread import Busy, Reread, reread
from eventing.testing.following import append, messages
from eventing.testing.messages import JarOpened, MarbleAdded

WORK: dict[type[Event], str] = {JarOpened: "jar-open"}


def running(relay: Relay) -> AbstractAsyncContextManager[object]:
    """Let a relay run as long as the context is open."""
    return background(forever("relay", relay.run))


async def marbles(store: PostgresStore, *sizes: int) -> None:
    """Store marbles of these sizes, one after the other."""
    for size in sizes:
        await append(store, MarbleAdded(colour="blue", size=size))


async def told(js: JetStreamContext, *expected: int) -> None:
    """Wait until exactly the marbles of these sizes are in the stream."""
    last: list[int] = []

    async def as_expected() -> bool:
        found = [message.data or b"" for message in await messages(js, "EVT_JAR")]
        last[:] = [MarbleAdded.model_validate_json(body).size for body in found]
        return last == [*expected]

    try:
        await eventually(as_expected)
    except TimeoutError:
        raise AssertionError(f"in the stream: {last}") from None


async def relay_until(store: PostgresStore, js: JetStreamContext, *expected: int) -> None:
    """Let a relay run until exactly the marbles of these sizes are in the stream, and it has noted that."""
    async with running(relay := Relay(store, js, "jar", work=WORK)):
        await told(js, *expected)
        await eventually(lambda: relay.noted is not None and relay.noted.cursor == relay.cursor)


async def stopped(relay: Relay) -> str:
    """Wait until a relay stands still, and return why."""
    return await eventually(lambda: relay.progress.stopped)


async def reread_when_free(store: PostgresStore, js: JetStreamContext) -> Reread | None:
    """Let the relay go on, unless it is just looking whether it can."""
    try:
        return await reread(store.database, js, "jar")
    except Busy:
        return None
