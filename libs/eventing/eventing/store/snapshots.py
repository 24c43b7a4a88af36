"""Snapshots: the stored states from which long aggregates are loaded that are not in memory.

They are written in the background, and no load depends on one: if it is missing or cannot be read, the events are read.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

from eventing.database import Connection, Database
from eventing.recording import EventMapper
from eventing.store import AnyAggregate
from eventing.store.sealed_states import SealedStates
from eventing.store.state import codec_of

EVENTS_PER_SNAPSHOT = 100
MAX_REQUESTED = 1_000
"""Limit of the aggregates that wait for a snapshot; for others it is requested again by a later command."""

READ = "SELECT state FROM snapshots WHERE originator_id = $1 AND version = $2 AND fingerprint = $3"
SECRET = """
    SELECT originator_version, topic, state FROM events
    WHERE originator_id = $1 AND originator_version <= $2 AND split_part(topic, ';', 1) = $3
    ORDER BY originator_version DESC LIMIT 1"""
WRITE = """
    INSERT INTO snapshots (originator_id, version, fingerprint, state) VALUES ($1, $2, $3, $4)
    ON CONFLICT (originator_id) DO UPDATE
    SET version = excluded.version, fingerprint = excluded.fingerprint, state = excluded.state"""
# Taken to delete the aggregate and to write its snapshot, so that no snapshot is written after the deletion.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))"
DELETE = "DELETE FROM snapshots WHERE originator_id = $1"

type Load = Callable[[type[AnyAggregate], UUID], Awaitable[AnyAggregate]]


class Snapshots:
    """The snapshots of one service."""

    def __init__(self, database: Database, mapper: EventMapper) -> None:
        self.database, self.mapper = database, mapper
        self.requested: dict[UUID, type[AnyAggregate]] = {}
        self._wake = asyncio.Event()

    def request(self, kind: type[AnyAggregate], id: UUID) -> bool:
        """Request a snapshot of an aggregate; return False if too many are waiting."""
        if len(self.requested) >= MAX_REQUESTED:
            return False
        self.requested[id] = kind
        self._wake.set()
        return True

    async def restore(self, aggregate: AnyAggregate, version: int, at: datetime) -> None:
        """Set the state of a new aggregate to its snapshot at `version`, whose event was recorded `at`.

        Raises:
            ValueError: it cannot be read, or was just replaced by a newer one; the aggregate is unchanged.
        """
        codec, id = codec_of(type(aggregate)), aggregate.id
        state = await self.database.fetchval(READ, id, version, codec.fingerprint)
        rows = [
            await self.database.fetchrow(SECRET, id, version, event.subject) for event in aggregate.secrets.values()
        ]
        sealed = SealedStates(id, self.database)
        opened = [await sealed.unsealed(row) for row in rows if row]
        events = [self.mapper.to_event(topic, state, aggregate.events) for topic, state in opened]
        codec.restore(aggregate, version, at, state or b"")
        for event in events:
            aggregate.apply(event)

    async def write_requested(self, load: Load) -> None:
        """Wait for requests, and write the requested snapshots; to be run in a loop."""
        await self._wake.wait()
        while self.requested:
            await self._write(*self.requested.popitem(), load)
        self._wake.clear()

    async def _write(self, id: UUID, kind: type[AnyAggregate], load: Load) -> None:
        codec = codec_of(kind)
        async with self.database.transaction() as connection:
            await connection.execute(LOCK, str(id))
            aggregate = await load(kind, id)
            if not aggregate.deleted:
                state = codec.dump(aggregate, secrets=False)
                await connection.execute(WRITE, id, aggregate.version, codec.fingerprint, state)


async def delete(connection: Connection, id: UUID) -> None:
    """Delete the snapshot of an aggregate, in the transaction that deletes the aggregate."""
    await connection.execute(LOCK, str(id))
    await connection.execute(DELETE, id)
