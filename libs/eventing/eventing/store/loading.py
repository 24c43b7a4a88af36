"""Loads aggregates: from the state in memory or in a snapshot, and the events after it."""

from collections.abc import Sequence
from uuid import UUID

from runtime.logging import get_logger

from eventing import metrics
from eventing.database import Connection, Database, Row, data_keys
from eventing.error_text import describe_error
from eventing.recording import ERASED, Change, EventMapper
from eventing.store import AggregateNotFound, AnyAggregate, DuplicateCommand, snapshots
from eventing.store.sealed_states import SealedStates
from eventing.store.snapshots import Snapshots
from eventing.store.state import codec_of
from eventing.store.state_cache import CachedState, StateCache

log = get_logger()

MAX_PAGE_ROWS, MAX_PAGE_BYTES = 256, 4 * 2**20
"""Limits of one read; only its last event may exceed the bytes, so that a large event is read too."""

# The first row is the event of the known state ($2, or else the snapshot's), without its content, to verify that the
# event is still stored.
PAGE = """
    WITH base AS (
        SELECT coalesce($2, (SELECT version FROM snapshots WHERE originator_id = $1 AND fingerprint = $3), 0) AS version
    ), page AS (
        SELECT originator_version, topic, recorded_at,
            CASE WHEN originator_version > (SELECT version FROM base) THEN state END AS state
        FROM events WHERE originator_id = $1 AND originator_version >= (SELECT version FROM base)
        ORDER BY originator_version LIMIT $5
    ), measured AS (
        SELECT *, coalesce(sum(octet_length(state)) OVER (
            ORDER BY originator_version ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
        FROM page)
    SELECT originator_version, topic, recorded_at, state,
        (SELECT max(originator_version) FROM events WHERE originator_id = $1) AS newest,
        (SELECT EXISTS (SELECT FROM events WHERE command_id = $4)) AS repeated
    FROM measured WHERE before < $6 ORDER BY originator_version"""


class Loader:
    """Loads the aggregates of one service, as a new object each time.

    Only states that were read from the table are cached, so a failed command cannot leave anything in them. Each load
    checks that the event of the cached state is still stored. So it includes what other replicas stored since, and
    ignores a state that a restore of the database has invalidated.
    """

    def __init__(self, database: Database, mapper: EventMapper) -> None:
        self.database, self.mapper = database, mapper
        self.cache, self.snapshots = StateCache(), Snapshots(database, mapper)

    async def load[A: AnyAggregate](self, kind: type[A], id: UUID, command_id: UUID | None = None) -> A:
        """See `EventStore.load`."""
        aggregate, cached = kind(id), self.cache.get((kind, id))
        rows = await self._page(aggregate, cached.version if cached else None, command_id)
        if cached and not _is_current(cached, rows):
            cached, rows = None, await self._page(aggregate, None, command_id)
        if not rows or rows[0]["topic"].partition(";")[0] not in kind.events:  # the id of another kind of aggregate
            raise AggregateNotFound(f"{kind.__name__} {id}")
        if rows[0]["repeated"]:
            raise DuplicateCommand(str(command_id))
        try:
            await self._restore(aggregate, cached, rows[0])
        except ValueError as error:
            metrics.snapshots_unreadable.inc()
            log.warning("snapshot cannot be read", aggregate=str(id), reason=describe_error(error))
            rows = await self._page(aggregate, 0)
        snapshot = cached.snapshot if cached else aggregate.version
        await self._fold(aggregate, rows)
        self._update_cache(aggregate, cached, snapshot)
        return aggregate

    async def write_snapshots(self) -> None:
        """Wait for requests, and write the requested snapshots; to be run in a loop."""
        await self.snapshots.write_requested(self.load)

    async def delete(self, aggregate: AnyAggregate, connection: Connection) -> None:
        """Delete the cached state and the snapshot of an aggregate, in the transaction that deletes the aggregate."""
        self.cache.evict((type(aggregate), aggregate.id))
        await snapshots.delete(connection, aggregate.id)
        if aggregate.secrets:
            await data_keys.erase(aggregate.id, connection)

    async def _restore(self, aggregate: AnyAggregate, cached: CachedState | None, first: Row) -> None:
        if cached:
            codec_of(type(aggregate)).restore(aggregate, cached.version, cached.at, cached.state)
        elif first["originator_version"] > 1:
            await self.snapshots.restore(aggregate, first["originator_version"], first["recorded_at"])

    async def _fold(self, aggregate: AnyAggregate, rows: Sequence[Row]) -> None:
        sealed, erased = SealedStates(aggregate.id, self.database), False
        while True:
            for row in rows:
                erased = erased or row["topic"].endswith(ERASED)
                if erased:  # those that are not erased yet build on those that are
                    _skip(aggregate, row)
                elif row["state"] is not None:
                    topic, state = await sealed.unsealed(row)
                    event = self.mapper.to_event(topic, state, aggregate.events)
                    Change(aggregate.id, row["originator_version"], row["recorded_at"], event).fold(aggregate)
            if aggregate.version >= rows[-1]["newest"]:
                return
            rows = await self._page(aggregate, aggregate.version)

    def _update_cache(self, aggregate: AnyAggregate, cached: CachedState | None, snapshot: int) -> None:
        kind, at = type(aggregate), aggregate.modified_on
        if aggregate.deleted or at is None:
            self.cache.evict((kind, aggregate.id))
            return
        if aggregate.version - snapshot >= snapshots.EVENTS_PER_SNAPSHOT and self.snapshots.request(kind, aggregate.id):
            snapshot = aggregate.version
        if cached is None or (cached.version, cached.snapshot) != (aggregate.version, snapshot):
            state = codec_of(kind).dump(aggregate)
            self.cache.put((kind, aggregate.id), CachedState(aggregate.version, at, state, snapshot))

    async def _page(self, aggregate: AnyAggregate, since: int | None, command_id: UUID | None = None) -> Sequence[Row]:
        fingerprint = codec_of(type(aggregate)).fingerprint
        return await self.database.fetch(
            PAGE, aggregate.id, since, fingerprint, command_id, MAX_PAGE_ROWS, MAX_PAGE_BYTES
        )


def _is_current(cached: CachedState, rows: Sequence[Row]) -> bool:
    return bool(rows) and (rows[0]["originator_version"], rows[0]["recorded_at"]) == (cached.version, cached.at)


def _skip(aggregate: AnyAggregate, row: Row) -> None:
    aggregate.deleted = True
    aggregate.version, aggregate.modified_on = row["originator_version"], row["recorded_at"]
