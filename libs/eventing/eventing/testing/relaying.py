"""A relay of the service of jars that hands over the opening of jars as work."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import UUID

from contracts.messages import Event
from nats.js.errors import NotFoundError
from runtime.bus import Client
from runtime.bus.jetstream import JetStream
from runtime.forever import forever
from runtime.testing import background, eventually

from eventing.reactions import Reactor
from eventing.relay import Relay
from eventing.store.postgres import PostgresStore
from eventing.testing.following import append
from eventing.testing.messages import JarOpened
from eventing.testing.reacting import ReactionSpy, replica

WORK: dict[type[Event], str] = {JarOpened: "jar-open"}


def running(relay: Relay) -> AbstractAsyncContextManager[object]:
    """Run a relay as long as the context is open."""
    return background(forever("relay", relay.run))


@asynccontextmanager
async def relaying(store: PostgresStore, js: JetStream) -> AsyncGenerator[Relay]:
    """Run a new relay that publishes work, and yield it."""
    relay = Relay(store, js, "jar", work=WORK)
    async with running(relay):
        yield relay


async def publish_all(relay: Relay) -> None:
    """Publish all that is stored, without running the relay in the background."""
    await relay.resume()
    while await relay.publish_batch():
        pass


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
    """Wait until the relay has published all that is stored, and has saved its position after the last message.

    Its cursor alone is not sufficient: it lags behind the stream until the acknowledgement of a publish arrives. The
    stream is not either: work is published before the events that request it.
    """

    async def has_saved_end() -> bool:
        last, saved = (await relay.js.stream_info(relay.stream)).state.last_seq, relay.saved_position
        if saved is None or (saved.sequence, saved.cursor) != (last, relay.cursor):
            return False
        return not await relay.store.entries(saved.cursor, 1)

    await eventually(has_saved_end)


async def is_work_done(js: JetStream) -> bool:
    """Return whether the work stream is empty."""
    return (await js.stream_info("WORK_JAR")).state.messages == 0


async def has_messages(js: JetStream, stream: str, number: int) -> bool:
    """Return whether a stream contains exactly this number of messages."""
    try:
        return (await js.stream_info(stream)).state.messages == number
    except NotFoundError:
        return False
