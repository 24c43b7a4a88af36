"""A relay that publishes marbles, whose sizes tell one from the other, and hands over the opening of jars as work."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import UUID

from contracts.messages import Event
from nats.js.errors import NotFoundError
from runtime.bus import Client
from runtime.forever import forever
from runtime.jetstream import JetStream
from runtime.testing import background, eventually

from eventing.postgres import PostgresStore
from eventing.reactions import Reactor
from eventing.relay import Relay
from eventing.reread import Busy, Reread, reread
from eventing.testing.following import append, messages
from eventing.testing.messages import JarOpened, MarbleAdded
from eventing.testing.reacting import Acting, replica

WORK: dict[type[Event], str] = {JarOpened: "jar-open"}


def running(relay: Relay) -> AbstractAsyncContextManager[object]:
    """Let a relay run as long as the context is open."""
    return background(forever("relay", relay.run))


async def marbles(store: PostgresStore, *sizes: int) -> None:
    """Store marbles of these sizes, one after the other."""
    for size in sizes:
        await append(store, MarbleAdded(colour="blue", size=size))


async def told(js: JetStream, *expected: int) -> None:
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


async def relay_until(store: PostgresStore, js: JetStream, *expected: int) -> None:
    """Let a relay run until exactly the marbles of these sizes are in the stream, and it has noted that."""
    async with running(relay := Relay(store, js, "jar", work=WORK)):
        await told(js, *expected)
        await eventually(lambda: relay.noted is not None and relay.noted.cursor == relay.cursor)


async def stopped(relay: Relay) -> str:
    """Wait until a relay stands still, and return why."""
    return await eventually(lambda: relay.progress.stopped)


async def reread_when_free(store: PostgresStore, js: JetStream) -> Reread | None:
    """Let the relay go on, unless it is just looking whether it can."""
    try:
        return await reread(store.database, js, "jar")
    except Busy:
        return None


@asynccontextmanager
async def relaying(store: PostgresStore, js: JetStream) -> AsyncGenerator[Relay]:
    """Let a relay run that hands work over."""
    relay = Relay(store, js, "jar", work=WORK)
    async with background(forever("relay", relay.run)):
        yield relay


def replica_of(client: Client, store: PostgresStore) -> Reactor[str]:
    """Return a replica of the service of jars itself, which reads from this store."""
    reactor = replica(client, service="jar")
    reactor.dispatcher.store, reactor.waits.database = store, store.database
    return reactor


async def open_jars(store: PostgresStore, *numbers: int) -> None:
    """Store the opening of jars with these numbers."""
    for number in numbers:
        await append(store, JarOpened(label=str(number)), at=UUID(int=number))


def labels(acting: Acting) -> list[int]:
    """Return the numbers of the jars that were acted on."""
    return sorted(int(recorded.event.label) for recorded in acting.seen)


async def relayed(relay: Relay) -> None:
    """Wait until the relay has noted where it is."""
    await eventually(lambda: relay.noted and relay.noted.cursor == relay.cursor)


async def settled(js: JetStream) -> bool:
    """Whether nothing is left to do."""
    return (await js.stream_info("WORK_JAR")).state.messages == 0


async def count(js: JetStream, stream: str, number: int) -> bool:
    """Whether a stream holds so many messages."""
    try:
        return (await js.stream_info(stream)).state.messages == number
    except NotFoundError:
        return False
