"""What a service measures when its metrics are scraped: how far its consumers are behind, and its connections."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence

from contracts.wire import event_stream, work_stream
from nats.js.errors import NotFoundError
from runtime.bus.jetstream import JetStream
from runtime.metrics import Values

from eventing import metrics
from eventing.bus.consumers import Consumers
from eventing.database import Database
from eventing.projectors.projector import Projector
from eventing.reactions.registration import Registration

CHECKPOINTS = "SELECT name, greatest(sequence, 0) AS sequence FROM checkpoints"


async def measure_reactions(js: JetStream, service: str, shared: Sequence[Registration]) -> Values:
    """Return how many events the consumers of a service's reactions still have to deliver."""
    consumers = Consumers(js, service)
    counts = [consumers.pending(one.name, one.event) for one in shared]
    pending = await _known({(one.name,): count for one, count in zip(shared, counts, strict=True)})
    return {metrics.reaction_pending: pending}


async def measure_streams(js: JetStream, service: str) -> Values:
    """Return the size and the limit of the streams of a service."""

    async def info(name: str) -> tuple[int, int]:
        found = await js.stream_info(name)
        return found.state.bytes, found.config.max_bytes or 0

    known = await _known({(name,): info(name) for name in (event_stream(service), work_stream(service))})
    return {
        metrics.stream_bytes: {labels: size for labels, (size, _) in known.items()},
        metrics.stream_max_bytes: {labels: limit for labels, (_, limit) in known.items() if limit > 0},
    }


async def measure_projectors(js: JetStream, database: Database, projectors: Sequence[Projector]) -> Values:
    """Return how many messages of their streams the projectors of a service have not projected yet."""
    done = {row["name"]: row["sequence"] for row in await database.background.fetch(CHECKPOINTS)} if projectors else {}

    async def pending(projector: Projector) -> int:
        stream = await js.stream_info(projector.stream)
        return max(0, stream.state.last_seq - done.get(projector.name, 0))

    return {metrics.projector_pending: await _known({(one.name,): pending(one) for one in projectors})}


async def measure_connections(pools: Mapping[str, Database]) -> Values:
    """Set the gauges of the connections of this replica."""
    for name, database in pools.items():
        pool = database.pool
        metrics.max_connections.labels(name).set(pool.get_max_size())
        metrics.connections.labels(name, "idle").set(pool.get_idle_size())
        metrics.connections.labels(name, "used").set(pool.get_size() - pool.get_idle_size())
    return {}


async def _known[R](counts: Mapping[tuple[str, ...], Awaitable[R]]) -> dict[tuple[str, ...], R]:
    """Return what is known of that which exists: a stream or consumer does not before its service has started once."""
    found = await asyncio.gather(*counts.values(), return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException) and not isinstance(one, NotFoundError):
            raise one
    return {labels: count for labels, count in zip(counts, found, strict=True) if not isinstance(count, BaseException)}
