"""The event store on PostgreSQL. Appends take no lock, so PostgreSQL groups commits; the feed orders them later."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from contracts.messages import Event
from runtime.bus.envelope import Envelope
from runtime.secrets.sealing import SecretUnreadable, new_key, seal

from eventing.constraints import Constraints
from eventing.database import Connection, Database, Row
from eventing.database.deferred import KnownValues, Unexpected, deferred_transaction
from eventing.due import was_set_to_now
from eventing.recording import (
    ERASED,
    SEALED,
    Change,
    EventMapper,
    EventTooNew,
    EventUnreadable,
    Recorded,
    StoredEvent,
    event_place,
)
from eventing.store import (
    AnyAggregate,
    Conflict,
    Cursor,
    DuplicateCommand,
    Erased,
    FeedEntry,
    UniqueViolation,
    Unreadable,
    pending,
)
from eventing.store.loading import Loader

type Projection = Callable[[Recorded[Any], Connection], Awaitable[None]]
type Stored = Callable[[Sequence[Recorded[Any]]], None]

# `tx` is the default of its column, `feed_number(pg_current_xact_id())`, written so that its plan is made only once.
APPEND = """
    INSERT INTO events (originator_id, originator_version, topic, state, envelope, recorded_at, command_id, owner, tx)
    SELECT id, version, topic, state, $6, $7, CASE n WHEN 1 THEN $8::uuid END, owner,
        (pg_current_xact_id()::text::bigint
            + (coalesce((SELECT generation FROM relayed), 0)::bigint << 48))::text::xid8
    FROM unnest($1::uuid[], $2::int[], $3::text[], $4::bytea[], $5::uuid[])
    WITH ORDINALITY AS e (id, version, topic, state, owner, n)
    ORDER BY n"""
COLUMNS = "tx, position, originator_id, originator_version, topic, state, envelope, recorded_at, owner"
EVENT = f"SELECT {COLUMNS} FROM events WHERE originator_id = $1 AND originator_version = $2"  # noqa: S608  no input
LATEST = f"""
    SELECT {COLUMNS} FROM events
    WHERE originator_id = $1 AND split_part(topic, ';', 1) = $2 ORDER BY originator_version DESC LIMIT 1"""  # noqa: S608
# All transactions below xmin have ended, so no event can appear before a cursor that was read.
FEED = f"""
    SELECT {COLUMNS} FROM (
        SELECT *, sum(octet_length(state)) OVER (ORDER BY tx, position ROWS UNBOUNDED PRECEDING)
            - octet_length(state) AS before FROM events
        WHERE (tx, position) > ($1::text::xid8, $2)
            AND tx < (SELECT feed_number(pg_snapshot_xmin(pg_current_snapshot())))
        ORDER BY tx, position LIMIT $3) AS feed
    WHERE before < $4 ORDER BY tx, position"""  # noqa: S608  no input
STORED = FEED.replace("AND tx < (SELECT feed_number(pg_snapshot_xmin(pg_current_snapshot())))", "")
HAS_COMMAND = "SELECT EXISTS (SELECT FROM events WHERE command_id = $1)"
VERSION = """
    SELECT version FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (id, n), LATERAL (
        SELECT originator_version AS version FROM events
        WHERE originator_id = wanted.id ORDER BY originator_version DESC LIMIT 1) AS newest
    ORDER BY n LIMIT 1"""
UNBOUNDED = 2**62


class PostgresStore:
    """Stores the events of one service that `constraints` permit, and writes its read models with `project`."""

    def __init__(
        self,
        database: Database,
        events: dict[str, type[Event]],
        project: Projection,
        constraints: Constraints | None = None,
    ) -> None:
        self.database, self.events, self.project = database, events, project
        self.constraints = constraints or Constraints()
        self.known_values = KnownValues()
        self.mapper = EventMapper()
        self.loader = Loader(database, self.mapper)
        self.appended = asyncio.Event()
        self.on_stored: Stored = lambda _: None  # called with what an append has stored
        self.due_now = asyncio.Event()  # set by an append that has set a due time which is reached already

    def now(self) -> datetime:
        """See `EventStore.now`."""
        return self.database.clock.now()

    async def load[A: AnyAggregate](self, kind: type[A], id: UUID, command_id: UUID | None = None) -> A:
        """See `EventStore.load`."""
        return await self.loader.load(kind, id, command_id)

    async def save(self, aggregates: tuple[AnyAggregate, ...], envelope: Envelope) -> None:
        """See `EventStore.save`."""
        at = self.now()
        recorded = [entry for aggregate in aggregates for entry in pending(aggregate, envelope, at)]
        if not recorded:
            return
        recorded, new_keys = await self._with_data_keys(recorded)
        try:
            async with deferred_transaction(self.database, self.known_values) as connection:
                await connection.execute(APPEND, *self._columns(recorded), envelope.headers(), at, envelope.message_id)
                await self.database.data_keys.insert(new_keys, connection)
                for entry in recorded:
                    await self.constraints.check(entry, connection)
                    await self.project(entry, connection)
                for aggregate in aggregates:
                    if aggregate.deleted:
                        await self.loader.delete(aggregate, connection)
        except asyncpg.UniqueViolationError as violation:
            raise await self._store_error(violation, envelope) from None
        except (
            asyncpg.DeadlockDetectedError
        ) as deadlock:  # with a transaction that writes the same rows in another order
            raise Conflict(deadlock.detail) from None
        except Unexpected as error:
            raise Conflict(str(error)) from None
        self._mark_committed(aggregates)
        self.on_stored(recorded)

    def _mark_committed(self, aggregates: tuple[AnyAggregate, ...]) -> None:
        for aggregate in aggregates:
            aggregate.mark_committed()
        self.appended.set()
        if was_set_to_now():
            self.due_now.set()

    async def has_command(self, command_id: UUID) -> bool:
        """See `EventStore.has_command`."""
        return bool(await self.database.fetchval(HAS_COMMAND, command_id))

    async def version(self, ids: Sequence[UUID]) -> int | None:
        """See `EventStore.version`."""
        return await self.database.fetchval(VERSION, ids)

    async def latest(self, kind: type[Event], id: UUID) -> Recorded[Any] | None:
        """See `EventStore.latest`."""
        row = await self.database.fetchrow(LATEST, id, kind.subject)
        return self._recorded(row)

    async def feed(self, after: Cursor, limit: int) -> list[FeedEntry]:
        """See `EventStore.feed`."""
        rows = await self.database.fetch(FEED, str(after[0]), after[1], limit, UNBOUNDED)
        return [self._entry(row) for row in rows if not _is_erased(row)]

    async def entries(
        self,
        after: Cursor,
        limit: int,
        size: int = UNBOUNDED,
        connection: Connection | None = None,
        *,
        locked: bool = False,
    ) -> list[FeedEntry | Unreadable | Erased]:
        """Return the entries of `feed`, and others for events that were erased and those that no release can read.

        Returns up to `limit` entries and up to `size` bytes; only the last entry may exceed the latter, so that a large
        event is returned too. Reads on `connection` if it is given; if that has `locked` the table so that nobody
        appends, all entries are returned, whatever other transactions are open.

        Raises:
            EventTooNew: only a newer release can read the next event.
        """
        reader = connection or self.database
        rows = await reader.fetch(STORED if locked else FEED, str(after[0]), after[1], limit, size)
        entries = list[FeedEntry | Unreadable | Erased]()
        for row in rows:
            try:
                entries.append(self._any_entry(row))
            except EventTooNew:
                if not entries:
                    raise
                break
        return entries

    async def event(self, id: UUID, version: int) -> Recorded[Any] | None:
        """See `EventStore.event`."""
        return self._recorded(await self.database.fetchrow(EVENT, id, version))

    async def _with_data_keys(
        self, recorded: Sequence[Recorded[Any]]
    ) -> tuple[Sequence[Recorded[Any]], dict[UUID, bytes]]:
        """Return the entries, the secret ones with the data keys of their aggregates, and the keys that are new."""
        ids = {entry.id for entry in recorded if entry.event.secret}
        if not ids:
            return recorded, {}
        created = {entry.id for entry in recorded if entry.version == 1}
        stored = await self.database.data_keys.get(ids - created, self.database) if ids - created else {}
        new = {id: new_key() for id in ids - stored.keys()}
        keys = stored | new
        return [replace(entry, data_key=keys.get(entry.id)) if entry.event.secret else entry for entry in recorded], new

    def _columns(self, recorded: Sequence[Recorded[Any]]) -> tuple[list[Any], ...]:
        rows = [self._stored(entry) for entry in recorded]
        return (
            [r.id for r in recorded],
            [row.originator_version for row in rows],
            [row.topic for row in rows],
            [row.state for row in rows],
            [r.owner for r in recorded],
        )

    def _stored(self, entry: Recorded[Any]) -> StoredEvent:
        row = self.mapper.to_stored_event(Change(entry.id, entry.version, entry.at, entry.event))
        if not entry.event.secret:
            return row
        if entry.data_key is None:
            raise SecretUnreadable(f"the data key of {entry.id} was erased")
        state = seal(entry.data_key, row.state, event_place(entry.id, entry.version, row.topic))
        return replace(row, topic=row.topic + SEALED, state=state)

    def _entry(self, row: Row) -> FeedEntry:
        event = self.mapper.to_event(row["topic"], row["state"], self.events)
        envelope = Envelope.from_headers(row["envelope"])
        if event.secret:  # an earlier release may have stored it in clear
            event = type(event)()
        key = row["originator_id"], row["originator_version"], row["recorded_at"]
        return FeedEntry((int(row["tx"]), row["position"]), Recorded(*key, event, envelope, row["owner"]))

    def _recorded(self, row: Row | None) -> Recorded[Any] | None:
        return None if row is None or _is_erased(row) else self._entry(row).recorded

    def _any_entry(self, row: Row) -> FeedEntry | Unreadable | Erased:
        cursor = int(row["tx"]), row["position"]
        if _is_erased(row):
            return Erased(cursor)
        try:
            return self._entry(row)
        except EventUnreadable as error:
            return Unreadable(cursor, row["originator_id"], row["originator_version"], row["topic"], str(error))

    async def _store_error(self, violation: asyncpg.UniqueViolationError, envelope: Envelope) -> Exception:
        match violation.constraint_name:
            case "events_command":
                return DuplicateCommand(violation.detail)
            case "data_keys_pkey":  # created meanwhile, when secrets of an earlier release were sealed
                return Conflict(violation.detail)
            case "events_version":
                # The second delivery of a command that creates an aggregate violates this index first.
                repeated = await self.has_command(envelope.message_id)
                return DuplicateCommand(violation.detail) if repeated else Conflict(violation.detail)
            case constraint:
                return UniqueViolation(str(constraint))


def _is_erased(row: Row) -> bool:
    return row["topic"].endswith(ERASED)
