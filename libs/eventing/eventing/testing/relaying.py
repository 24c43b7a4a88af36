"""A relay of the service of jars that hands over the opening of jars as work."""

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
from eventing.testing.following import append
from eventing.testing.messages import JarOpened
from eventing.testing.reacting import Acting, replica

WORK: dict[type[Event], str] = {JarOpened: "jar-open"}


def running(relay: Relay) -> AbstractAsyncContextManager[object]:
    """Let a relay run as long as the context is open."""
    return background(forever("relay", relay.run))


@asynccontextmanager
async def relaying(store: PostgresStore, js: JetStream) -> AsyncGenerator[Relay]:
    """Let a relay run that hands work over."""
    relay = Relay(store, js, "jar", work=WORK)
    async with running(relay):
        yield relay


async def publish_all(relay: Relay) -> None:
    """Publish all that is stored, without running the relay in the background."""
    await relay.resume()
    while await relay.once():
        pass


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
