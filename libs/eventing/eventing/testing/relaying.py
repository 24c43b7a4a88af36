"""A relay of jars: marbles are identified by their sizes, and the opening of a jar is published as work."""

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
from eventing.reread import RelayRunning, Reread, reread
from eventing.testing.following import append, messages
from eventing.testing.messages import JarOpened, MarbleAdded
from eventing.testing.reacting import ReactionSpy, replica

WORK: dict[type[Event], str] = {JarOpened: "jar-open"}


def running(relay: Relay) -> AbstractAsyncContextManager[object]:
    """Run a relay as long as the context is open."""
    return background(forever("relay", relay.run))


async def append_marbles(store: PostgresStore, *sizes: int) -> None:
    """Append marbles of these sizes, each in a transaction of its own."""
    for size in sizes:
        await append(store, MarbleAdded(colour="blue", size=size))


async def wait_for_marbles(js: JetStream, *expected: int) -> None:
    """Wait until the stream contains exactly the marbles of these sizes."""
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
    """Run a relay until the stream contains exactly the marbles of these sizes, and it has saved its position."""
    async with running(relay := Relay(store, js, "jar", work=WORK)):
        await wait_for_marbles(js, *expected)
        await eventually(lambda: relay.saved_position is not None and relay.saved_position.cursor == relay.cursor)


async def wait_until_stopped(relay: Relay) -> str:
    """Wait until a relay is stopped, and return the reason."""
    return await eventually(lambda: relay.progress.stopped)


async def reread_when_unlocked(store: PostgresStore, js: JetStream) -> Reread | None:
    """Call `reread`; return None while the relay holds its lock to check again."""
    try:
        return await reread(store.database, js, "jar")
    except RelayRunning:
        return None


@asynccontextmanager
async def relaying(store: PostgresStore, js: JetStream) -> AsyncGenerator[Relay]:
    """Run a new relay that publishes work, and yield it."""
    relay = Relay(store, js, "jar", work=WORK)
    async with background(forever("relay", relay.run)):
        yield relay


def replica_of(client: Client, store: PostgresStore) -> Reactor[str]:
    """Create a replica of the service of jars, which reads from this store."""
    reactor = replica(client, service="jar")
    reactor.dispatcher.store, reactor.postponements.database = store, store.database
    return reactor


async def open_jars(store: PostgresStore, *numbers: int) -> None:
    """Append the opening of jars with these numbers."""
    for number in numbers:
        await append(store, JarOpened(label=str(number)), at=UUID(int=number))


def labels(spy: ReactionSpy) -> list[int]:
    """Return the numbers of the jars whose opening a reaction has seen."""
    return sorted(int(recorded.event.label) for recorded in spy.seen)


async def wait_until_saved(relay: Relay) -> None:
    """Wait until the relay has saved its present position."""
    await eventually(lambda: relay.saved_position and relay.saved_position.cursor == relay.cursor)


async def is_work_done(js: JetStream) -> bool:
    """Return whether the work stream is empty."""
    return (await js.stream_info("WORK_JAR")).state.messages == 0


async def has_messages(js: JetStream, stream: str, number: int) -> bool:
    """Return whether a stream contains exactly this number of messages."""
    try:
        return (await js.stream_info(stream)).state.messages == number
    except NotFoundError:
        return False
