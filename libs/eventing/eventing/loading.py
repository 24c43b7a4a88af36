"""Loading an aggregate: from where it is remembered, in memory or as a snapshot, and the events behind that."""

from collections.abc import Sequence
from uuid import UUID

from runtime.logging import get_logger

from eventing import metrics, snapshots
from eventing.database import Connection, Database, Row
from eventing.faults import without_input
from eventing.recent import Base, Recent
from eventing.recording import Change, EventMapper
from eventing.snapshots import Snapshots
from eventing.state import codec_of
from eventing.store import AggregateNotFound, AnyAggregate, DuplicateCommand

log = get_logger()

MOST_ROWS, MOST_BYTES = 256, 4 * 2**20
"""What is read at a time; the last event may exceed the bytes, so that there always is one."""

# From an event of an aggregate on, itself without its state; where no number is given, from where there is a snapshot.
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
    """Loads the aggregates of one service, each time a new object: what becomes of it changes nothing here.

    Only what was read from the table is remembered, so no command that failed can have left something in it, and each
    load looks whether the event that it starts from is there: what another replica stored is read, and what a restore
    of the database took away is not believed.
    """

    def __init__(self, database: Database, mapper: EventMapper) -> None:
        self.database, self.mapper = database, mapper
        self.recent, self.snapshots = Recent(), Snapshots(database, mapper)

    async def load[A: AnyAggregate](self, kind: type[A], id: UUID, command_id: UUID | None = None) -> A:  # noqa: A002
        """See `EventStore.load`."""
        aggregate, base = kind(id), self.recent.get((kind, id))
        rows = await self._page(aggregate, base.version if base else None, command_id)
        if base and not _is_there(base, rows):
            base, rows = None, await self._page(aggregate, None, command_id)
        if not rows or rows[0]["topic"].partition(";")[0] not in kind.events:  # an id of something else
            raise AggregateNotFound(f"{kind.__name__} {id}")
        if rows[0]["repeated"]:
            raise DuplicateCommand(str(command_id))
        try:
            await self._begin(aggregate, base, rows[0])
        except ValueError as error:
            metrics.snapshots_unreadable.inc()
            log.warning("a snapshot cannot be read", aggregate=str(id), reason=without_input(error))
            rows = await self._page(aggregate, 0)
        snapshot = base.snapshot if base else aggregate.version
        await self._fold(aggregate, rows)
        self._remember(aggregate, base, snapshot)
        return aggregate

    async def take_snapshots(self) -> None:
        """Wait until snapshots are wanted, and take them; to be run forever."""
        await self.snapshots.take(self.load)

    async def forget(self, aggregate: AnyAggregate, connection: Connection) -> None:
        """Remember nothing of an aggregate, in the transaction that deletes it."""
        self.recent.forget((type(aggregate), aggregate.id))
        await snapshots.forget(connection, aggregate.id)

    async def _begin(self, aggregate: AnyAggregate, base: Base | None, first: Row) -> None:
        if base:
            codec_of(type(aggregate)).restore(aggregate, base.version, base.at, base.state)
        elif first["originator_version"] > 1:
            await self.snapshots.restore(aggregate, first["originator_version"], first["recorded_at"])

    async def _fold(self, aggregate: AnyAggregate, rows: Sequence[Row]) -> None:
        while True:
            for row in rows:
                if row["state"] is not None:
                    event = self.mapper.to_event(row["topic"], row["state"], aggregate.events)
                    Change(aggregate.id, row["originator_version"], row["recorded_at"], event).fold(aggregate)
            if aggregate.version >= rows[-1]["newest"]:
                return
            rows = await self._page(aggregate, aggregate.version)

    def _remember(self, aggregate: AnyAggregate, base: Base | None, snapshot: int) -> None:
        kind, at = type(aggregate), aggregate.modified_on
        if aggregate.deleted or at is None:
            self.recent.forget((kind, aggregate.id))
            return
        if aggregate.version - snapshot >= snapshots.EVERY and self.snapshots.want(kind, aggregate.id):
            snapshot = aggregate.version
        if base is None or (base.version, base.snapshot) != (aggregate.version, snapshot):
            state = codec_of(kind).dump(aggregate)
            self.recent.put((kind, aggregate.id), Base(aggregate.version, at, state, snapshot))

    async def _page(self, aggregate: AnyAggregate, since: int | None, command_id: UUID | None = None) -> Sequence[Row]:
        fingerprint = codec_of(type(aggregate)).fingerprint
        return await self.database.fetch(PAGE, aggregate.id, since, fingerprint, command_id, MOST_ROWS, MOST_BYTES)


def _is_there(base: Base, rows: Sequence[Row]) -> bool:
    return bool(rows) and (rows[0]["originator_version"], rows[0]["recorded_at"]) == (base.version, base.at)
