"""The relay: how fast it works off a backlog, and how long after the commit a consumer has the event."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from statistics import median, quantiles
from uuid import UUID

from contracts.session.session import SessionCreated
from contracts.wire import event_filter, event_stream
from eventing.bus import wire
from eventing.bus.streams import provision
from eventing.relay import Relay
from eventing.store.postgres import PostgresStore
from runtime import bus
from runtime.bus import ordered
from runtime.bus.jetstream import JetStream, jetstream
from session.app import service

from tests.bench.report import Line, milliseconds, rate
from tests.bench.samples import new_envelope, new_session
from tests.bench.stage import Stage

BACKLOG, AT_ONCE = 5000, 50
COMMITS, PAUSE = 500, 0.005
STREAM = event_stream(service.name)


async def measure(stage: Stage) -> list[Line]:
    """First the backlog, then one event after the other. On a bus of its own: a stream has one relay."""
    async with stage.database() as database, _stream(stage) as js:
        store = service.store(database)
        relay = Relay(store, js, service.name)
        speed = await _work_off(store, relay)
        took = await _follow(store, relay, js)
    return [
        Line(f"a backlog of {BACKLOG:,} events", rate(speed)),
        Line("from commit to consumer, p50", milliseconds(median(took))),
        Line("from commit to consumer, p99", milliseconds(quantiles(took, n=100)[98])),
    ]


@asynccontextmanager
async def _stream(stage: Stage) -> AsyncGenerator[JetStream]:
    async with bus.connected(stage.quiet_nats.url, "bench") as client:
        js = jetstream(client)
        await provision(js, STREAM, [event_filter(service.name)])
        yield js


async def _work_off(store: PostgresStore, relay: Relay) -> float:
    for _ in range(BACKLOG // AT_ONCE):
        await store.save(tuple(new_session() for _ in range(AT_ONCE)), new_envelope())
    await relay.resume()
    began = time.perf_counter()
    while await relay.publish_batch():
        pass
    return BACKLOG / (time.perf_counter() - began)


async def _follow(store: PostgresStore, relay: Relay, js: JetStream) -> list[float]:
    committed, came = dict[UUID, float](), dict[UUID, float]()
    async with asyncio.TaskGroup() as tasks:
        relaying = tasks.create_task(relay.run())
        hearing = tasks.create_task(_hear(js, relay.sequence, came))
        for _ in range(COMMITS):
            session = new_session()
            await store.save((session,), new_envelope())
            committed[session.id] = time.perf_counter()
            await asyncio.sleep(PAUSE)
        async with asyncio.timeout(10):
            while len(came) < COMMITS:  # noqa: ASYNC110  what comes sets no event
                await asyncio.sleep(0.01)
        relaying.cancel()
        hearing.cancel()
    return [came[session] - at for session, at in committed.items()]


async def _hear(js: JetStream, after: int, came: dict[UUID, float]) -> None:
    async with aclosing(ordered.messages(js, STREAM, after, wire.subjects(SessionCreated))) as batches:
        async for batch in batches:
            at = time.perf_counter()
            came.update((UUID(message.subject.rpartition(".")[2]), at) for message in batch)
