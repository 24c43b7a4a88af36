"""Two relays without a lock, cancelled at random, and slow transactions: each event is published once, in order."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

from eventing.database import Database
from eventing.relay import Relay
from eventing.store import START
from eventing.store.postgres import PostgresStore
from eventing.testing.following import headers
from eventing.testing.jars import Jar
from eventing.testing.messages import JarOpened, LockSet, MarbleAdded
from eventing.testing.relaying import publish_all
from nats.errors import Error
from nats.js.api import StreamConfig
from runtime.bus import Client
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import JetStream, jetstream
from runtime.clock import new_id

WRITERS, JARS = 4, 25


async def test_two_racing_relays_publish_each_event_once_and_in_order(database: Database, client: Client) -> None:
    js = jetstream(client)
    # The server forgets message ids after 0.1 s, so only the expected sequence keeps events in order and unique.
    await js.add_stream(StreamConfig(name="EVT_JAR", subjects=["evt.jar.>"], duplicate_window=0.1))
    store = PostgresStore(database, Jar.events, slowly)
    relays = [Relay(store, jetstream(client), "jar") for _ in range(2)]
    async with asyncio.TaskGroup() as tasks:
        writing = [tasks.create_task(write(store)) for _ in range(WRITERS)]
        racing = [tasks.create_task(interrupted(race, relay)) for relay in relays]
        await asyncio.wait(writing)
        for task in racing:
            task.cancel()
    await catch_up(store, relays[0])
    feed = [fed.recorded for fed in await store.feed(START, 10_000)]
    assert len(feed) == WRITERS * JARS * 4
    public = [(str(r.id), str(r.version)) for r in feed if r.event.published]
    assert await published(js) == public


async def slowly(*_: object) -> None:
    """Delay some commits: such an event has its position in the feed long before others can read it."""
    if random.random() < 0.05:  # noqa: S311  no secret
        await asyncio.sleep(random.uniform(0, 0.1))  # noqa: S311


async def write(store: PostgresStore) -> None:
    for _ in range(JARS):
        jar = Jar(new_id())
        jar.record(JarOpened.example())
        await store.save((jar,), Envelope.begin())
        for event in (MarbleAdded.example(), LockSet.example(), MarbleAdded.example()):
            jar.record(event)
        await store.save((jar,), Envelope.begin())


async def race(relay: Relay) -> None:
    with suppress(Error):
        await publish_all(relay)


async def interrupted(work: Callable[[Relay], Awaitable[None]], relay: Relay) -> None:
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(random.uniform(0, 0.05)):  # noqa: S311
                await work(relay)
        await asyncio.sleep(random.uniform(0, 0.01))  # noqa: S311


async def catch_up(store: PostgresStore, relay: Relay) -> None:
    end = (await store.feed(START, 10_000))[-1].cursor
    while relay.cursor < end:
        await race(relay)


async def published(js: JetStream) -> list[tuple[str, str]]:
    return [(head["ce-subject"], head["aggregate-version"]) for head in await headers(js, "EVT_JAR")]
