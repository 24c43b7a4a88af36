"""Leases on work, stored in PostgreSQL: there they outlast whatever the bus drops."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from runtime import clock
from runtime.bus import NoResponders

from eventing.database import TRANSIENT_ERRORS, Database
from eventing.recording import EventTooNew, Recorded

RENEWAL_SECONDS = 1.0
LEASE_DURATION = timedelta(seconds=5)
"""Less than the ack wait of the bus, so that the lease has expired when an event is redelivered after a crash."""
SWEEP_SECONDS = 10.0
"""Pause between two searches of the read model for orphaned work."""
MAX_ORPHANS = 200
"""Limit of what one search finds, the oldest first."""
EXPIRED_RETENTION = timedelta(days=1)
"""How long an expired lease is kept. Its worker died after the work was done, or before it was deleted."""

# Finished work writes nothing: a stream that is filled again delivers every event there ever was.
ACQUIRE = """
    WITH unfinished AS (SELECT FROM ({statement}) AS u WHERE u.aggregate = $2 AND u.work = $3),
    acquired AS (
        INSERT INTO leases AS l (reaction, work, holder, until, tries)
        SELECT $1, $3, $4, clock_timestamp() + $5::interval, 1 FROM unfinished
        ON CONFLICT (reaction, work) DO UPDATE
        SET holder = excluded.holder, until = excluded.until, tries = l.tries + 1 WHERE l.until < clock_timestamp()
        RETURNING tries
    )
    SELECT EXISTS (SELECT FROM unfinished) AS unfinished, (SELECT tries FROM acquired) AS attempt"""
INCLUDES = "SELECT EXISTS (SELECT FROM ({statement}) AS u WHERE u.aggregate = $1 AND u.work = $2)"
FIND_ORPHANS = """
    SELECT u.aggregate, u.work FROM ({statement}) AS u
    LEFT JOIN leases AS l ON l.reaction = $1 AND l.work = u.work
    WHERE l.until IS NULL OR l.until < clock_timestamp()
    ORDER BY u.work LIMIT $2"""


class TakenOver(Exception):
    """Another replica works on the event: only that one may acknowledge it."""


class OtherSuspect(Exception):
    """This replica tries another event whose attempts have ended in crashes: only one at a time is tried."""


class AttemptFailed(Exception):
    """The `attempt`th attempt at leased work has failed."""

    def __init__(self, attempt: int, reason: str) -> None:
        super().__init__(reason)
        self.attempt = attempt


POSTPONED = (EventTooNew, NoResponders, OtherSuspect)
"""Exceptions after which an attempt is repeated later, and does not count."""


@dataclass(frozen=True)
class UnfinishedWork:
    """The query of a service's read model for the unfinished work of a reaction.

    `statement` selects the `aggregate`, whose newest event of the reaction's kind requests the work, and `work`, a UUID
    that identifies it. `work_of` returns that UUID for an event.
    """

    statement: str
    work_of: Callable[[Recorded[Any]], UUID]

    async def includes(self, recorded: Recorded[Any], database: Database) -> bool:
        """Return whether the work that an event requests is still unfinished."""
        statement = INCLUDES.format(statement=self.statement)
        return bool(await database.fetchval(statement, recorded.id, self.work_of(recorded)))


@dataclass(frozen=True)
class OrphanedWork:
    """Unfinished work without a valid lease, requested by an event of the `aggregate`."""

    aggregate: UUID
    work: UUID


@dataclass(frozen=True)
class Lease:
    """The exclusive right to work on something, acquired for the `attempt`th time."""

    reaction: str
    work: UUID
    attempt: int


class Leases:
    """The leases that one replica acquires and renews."""

    def __init__(self, database: Database) -> None:
        self.database, self.holder, self.held = database, clock.new_id(), set[tuple[str, UUID]]()

    async def acquire(self, reaction: str, unfinished: UnfinishedWork, recorded: Recorded[Any]) -> Lease | None:
        """Acquire a lease on the work that an event requests; return None if the work is finished.

        Raises:
            TakenOver: another worker holds the lease.
        """
        work, statement = unfinished.work_of(recorded), ACQUIRE.format(statement=unfinished.statement)
        if (reaction, work) in self.held:  # even if it expired because the database was unavailable
            raise TakenOver(f"{reaction} {work}")
        row = await self.database.fetchrow(statement, reaction, recorded.id, work, self.holder, LEASE_DURATION)
        if row is None or not row["unfinished"]:
            return None
        if row["attempt"] is None:
            raise TakenOver(f"{reaction} {work}")
        self.held.add((reaction, work))
        return Lease(reaction, work, row["attempt"])

    @asynccontextmanager
    async def hold(self, lease: Lease, retry_delay: float) -> AsyncGenerator[None]:
        """Hold a lease during the block; after a failure others may acquire it in `retry_delay` seconds.

        Work that is taken over, waits for a newer release, another service or another suspect, or is cancelled has not
        failed: its lease is released immediately, and the attempt does not count.

        Raises:
            AttemptFailed: the block raised an exception other than those of `POSTPONED` and TakenOver.
        """
        try:
            yield
        except (*POSTPONED, TakenOver, asyncio.CancelledError):
            await self._release(lease, 0.0, lease.attempt - 1)
            raise
        except Exception as error:
            await self._release(lease, retry_delay, lease.attempt)
            raise AttemptFailed(lease.attempt, repr(error)) from error
        await self._delete(lease)

    async def _delete(self, lease: Lease) -> None:
        self.held.discard((lease.reaction, lease.work))
        await self.database.execute(
            "DELETE FROM leases WHERE reaction = $1 AND work = $2 AND holder = $3",
            lease.reaction, lease.work, self.holder,
        )  # fmt: skip

    async def _release(self, lease: Lease, delay: float, attempts: int) -> None:
        # While the database is unavailable nothing has to be done, because the lease expires by itself.
        self.held.discard((lease.reaction, lease.work))
        with suppress(*TRANSIENT_ERRORS):
            await self.database.execute(
                "UPDATE leases SET holder = NULL, until = clock_timestamp() + $4::interval, tries = $5 "
                "WHERE reaction = $1 AND work = $2 AND holder = $3",
                lease.reaction, lease.work, self.holder, timedelta(seconds=delay), attempts,
            )  # fmt: skip

    async def renew(self) -> None:
        """Renew the held leases every second until cancelled or something fails; to be run in a loop."""
        while True:
            if self.held:
                await self.database.execute(
                    "UPDATE leases SET until = clock_timestamp() + $3::interval "
                    "WHERE holder = $1 AND (reaction, work) IN (SELECT * FROM unnest($4::text[], $2::uuid[]))",
                    self.holder, [work for _, work in self.held], LEASE_DURATION,
                    [reaction for reaction, _ in self.held],
                )  # fmt: skip
            await asyncio.sleep(RENEWAL_SECONDS)

    async def sweep(self, reaction: str, unfinished: UnfinishedWork) -> AsyncGenerator[tuple[OrphanedWork, bool]]:
        """Yield the work found orphaned by two searches in a row, and whether it is the first of its search.

        The second search spares work whose worker could not renew its lease while the database was unavailable.
        """
        seen = set[OrphanedWork]()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            orphans = await self._orphans(reaction, unfinished)
            for n, orphan in enumerate(orphan for orphan in orphans if orphan in seen):
                yield orphan, n == 0
            seen = set(orphans)

    async def _orphans(self, reaction: str, unfinished: UnfinishedWork) -> list[OrphanedWork]:
        await self.database.background.execute(
            "DELETE FROM leases WHERE reaction = $1 AND until < clock_timestamp() - $2::interval",
            reaction,
            EXPIRED_RETENTION,
        )
        rows = await self.database.background.fetch(
            FIND_ORPHANS.format(statement=unfinished.statement), reaction, MAX_ORPHANS
        )
        return [OrphanedWork(row["aggregate"], row["work"]) for row in rows]
