"""Snapshots: where an aggregate with a long history is loaded from that is not in memory.

They are written beside the commands, and no load depends on one: what is missing or cannot be read is replaced by the
events.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

from eventing.database import Connection, Database
from eventing.recording import EventMapper
from eventing.state import codec_of
from eventing.store import AnyAggregate

EVERY = 100
"""Events after which a new snapshot is taken."""
MOST_WAITING = 1_000
"""Aggregates that wait for a snapshot at most; for others it is taken after a later command."""

READ = "SELECT state FROM snapshots WHERE originator_id = $1 AND version = $2 AND fingerprint = $3"
SECRET = """
    SELECT topic, state FROM events
    WHERE originator_id = $1 AND originator_version <= $2 AND split_part(topic, ';', 1) = $3
    ORDER BY originator_version DESC LIMIT 1"""
WRITE = """
    INSERT INTO snapshots (originator_id, version, fingerprint, state) VALUES ($1, $2, $3, $4)
    ON CONFLICT (originator_id) DO UPDATE
    SET version = excluded.version, fingerprint = excluded.fingerprint, state = excluded.state"""
# Held by whoever deletes the aggregate and by whoever writes a snapshot of it, so that none appears behind a deletion.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))"
FORGET = "DELETE FROM snapshots WHERE originator_id = $1"

type Load = Callable[[type[AnyAggregate], UUID], Awaitable[AnyAggregate]]


class Snapshots:
    """The snapshots of one service."""

    def __init__(self, database: Database, mapper: EventMapper) -> None:
        self.database, self.mapper = database, mapper
        self.waiting: dict[UUID, type[AnyAggregate]] = {}
        self._wanted = asyncio.Event()

    def want(self, kind: type[AnyAggregate], id: UUID) -> bool:  # noqa: A002  the field's name
        """Let a snapshot of an aggregate be taken soon; return whether there is room for one more."""
        if len(self.waiting) >= MOST_WAITING:
            return False
        self.waiting[id] = kind
        self._wanted.set()
        return True

    async def restore(self, aggregate: AnyAggregate, version: int, at: datetime) -> None:
        """Give a new aggregate the state of its snapshot at `version`, of an event recorded `at`.

        Raises:
            ValueError: it cannot be read, or a newer one has just taken its place; the aggregate is as it was.
        """
        codec, id = codec_of(type(aggregate)), aggregate.id  # noqa: A001  the field's name
        state = await self.database.fetchval(READ, id, version, codec.fingerprint)
        rows = [
            await self.database.fetchrow(SECRET, id, version, event.subject) for event in aggregate.secrets.values()
        ]
        events = [self.mapper.to_event(row["topic"], row["state"], aggregate.events) for row in rows if row]
        codec.restore(aggregate, version, at, state or b"")
        for event in events:
            aggregate.apply(event)

    async def take(self, load: Load) -> None:
        """Wait until snapshots are wanted, and take them; to be run forever."""
        await self._wanted.wait()
        while self.waiting:
            await self._take(*self.waiting.popitem(), load)
        self._wanted.clear()

    async def _take(self, id: UUID, kind: type[AnyAggregate], load: Load) -> None:  # noqa: A002  the field's name
        codec = codec_of(kind)
        async with self.database.transaction() as connection:
            await connection.execute(LOCK, str(id))
            aggregate = await load(kind, id)
            if not aggregate.deleted:
                state = codec.dump(aggregate, secrets=False)
                await connection.execute(WRITE, id, aggregate.version, codec.fingerprint, state)


async def forget(connection: Connection, id: UUID) -> None:  # noqa: A002  the field's name
    """Remove the snapshot of an aggregate, in the transaction that deletes it."""
    await connection.execute(LOCK, str(id))
    await connection.execute(FORGET, id)
