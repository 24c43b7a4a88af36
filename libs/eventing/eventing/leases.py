"""Signs of life of those who work on something, kept in PostgreSQL: there they outlast whatever the bus drops."""

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

RENEWAL = 1.0
LASTING = timedelta(seconds=5)
"""Less than the bus waits before it hands an event out again, so that whoever gets it need not wait once more."""
LOOK = 10.0
"""Seconds between two looks at the read model for work without a sign of life."""
ORPHANS = 200
"""As many are seen at a look, the oldest first."""
KEPT = timedelta(days=1)
"""How long a lease that nobody renews is kept: its worker died after the work was done, or before it was deleted."""

# What is finished writes nothing: a stream that is filled anew hands out every event there ever was.
TAKE = """
    WITH unfinished AS (SELECT FROM ({statement}) AS u WHERE u.aggregate = $2 AND u.work = $3),
    taken AS (
        INSERT INTO leases AS l (reaction, work, holder, until, tries)
        SELECT $1, $3, $4, clock_timestamp() + $5::interval, 1 FROM unfinished
        ON CONFLICT (reaction, work) DO UPDATE
        SET holder = excluded.holder, until = excluded.until, tries = l.tries + 1 WHERE l.until < clock_timestamp()
        RETURNING tries
    )
    SELECT EXISTS (SELECT FROM unfinished) AS unfinished, (SELECT tries FROM taken) AS tries"""
SHOWS = "SELECT EXISTS (SELECT FROM ({statement}) AS u WHERE u.aggregate = $1 AND u.work = $2)"
FIND = """
    SELECT u.aggregate, u.work FROM ({statement}) AS u
    LEFT JOIN leases AS l ON l.reaction = $1 AND l.work = u.work
    WHERE l.until IS NULL OR l.until < clock_timestamp()
    ORDER BY u.work LIMIT $2"""


class TakenOver(Exception):
    """Raised where another replica acts on the event: only that one settles it."""


class Failed(Exception):
    """Work that is kept by a lease has failed, at the `tries`th try."""

    def __init__(self, tries: int, reason: str) -> None:
        super().__init__(reason)
        self.tries = tries


@dataclass(frozen=True)
class Unfinished:
    """How a service's read model shows the work of a reaction that is not done.

    `statement` selects it: the `aggregate` whose newest event of the reaction's kind asks for it, and `work`, a uuid of
    its own. `work_of` gives that of an event.
    """

    statement: str
    work_of: Callable[[Recorded[Any]], UUID]

    async def shows(self, recorded: Recorded[Any], database: Database) -> bool:
        """Return whether the work that an event asks for is still to be done."""
        statement = SHOWS.format(statement=self.statement)
        return bool(await database.fetchval(statement, recorded.id, self.work_of(recorded)))


@dataclass(frozen=True)
class Orphan:
    """Unfinished work that nobody gives a sign of life for; the event that asks for it is one of the `aggregate`."""

    aggregate: UUID
    work: UUID


@dataclass(frozen=True)
class Lease:
    """The right to work on something, taken for the `tries`th time."""

    reaction: str
    work: UUID
    tries: int


class Leases:
    """The leases that one replica takes and renews."""

    def __init__(self, database: Database) -> None:
        self.database, self.holder, self.held = database, clock.new_id(), set[tuple[str, UUID]]()

    async def take(self, reaction: str, unfinished: Unfinished, recorded: Recorded[Any]) -> Lease | None:
        """Take the work that an event asks for; None when it is done already.

        Raises:
            TakenOver: a replica that gives signs of life has it.
        """
        work, statement = unfinished.work_of(recorded), TAKE.format(statement=unfinished.statement)
        if (reaction, work) in self.held:  # also when the database was away for longer than the lease lasts
            raise TakenOver(f"{reaction} {work}")
        row = await self.database.fetchrow(statement, reaction, recorded.id, work, self.holder, LASTING)
        if row is None or not row["unfinished"]:
            return None
        if row["tries"] is None:
            raise TakenOver(f"{reaction} {work}")
        self.held.add((reaction, work))
        return Lease(reaction, work, row["tries"])

    @asynccontextmanager
    async def kept(self, lease: Lease, delay: float) -> AsyncGenerator[None]:
        """End a lease when what is done inside is done; when that fails, let others have it after `delay` seconds.

        What is taken over, waits for a newer release or another service, or is cancelled has not failed: it is given
        back at once, and the try does not count.

        Raises:
            Failed: because of what was raised inside, unless that is TakenOver, EventTooNew or NoResponders.
        """
        try:
            yield
        except (TakenOver, EventTooNew, NoResponders, asyncio.CancelledError):
            await self._give_back(lease, 0.0, lease.tries - 1)
            raise
        except Exception as error:
            await self._give_back(lease, delay, lease.tries)
            raise Failed(lease.tries, repr(error)) from error
        await self._end(lease)

    async def _end(self, lease: Lease) -> None:
        """Forget a lease whose work is done, or given up."""
        self.held.discard((lease.reaction, lease.work))
        await self.database.execute(
            "DELETE FROM leases WHERE reaction = $1 AND work = $2 AND holder = $3",
            lease.reaction, lease.work, self.holder,
        )  # fmt: skip

    async def _give_back(self, lease: Lease, delay: float, tries: int) -> None:
        """Let others take the work, after `delay` seconds; while the database is away, when the lease runs out."""
        self.held.discard((lease.reaction, lease.work))
        with suppress(*TRANSIENT_ERRORS):
            await self.database.execute(
                "UPDATE leases SET holder = NULL, until = clock_timestamp() + $4::interval, tries = $5 "
                "WHERE reaction = $1 AND work = $2 AND holder = $3",
                lease.reaction, lease.work, self.holder, timedelta(seconds=delay), tries,
            )  # fmt: skip

    async def renew(self) -> None:
        """Give signs of life until cancelled or something fails; start it again then."""
        while True:
            if self.held:
                await self.database.execute(
                    "UPDATE leases SET until = clock_timestamp() + $3::interval "
                    "WHERE holder = $1 AND (reaction, work) IN (SELECT * FROM unnest($4::text[], $2::uuid[]))",
                    self.holder, [work for _, work in self.held], LASTING, [reaction for reaction, _ in self.held],
                )  # fmt: skip
            await asyncio.sleep(RENEWAL)

    async def sweep(self, reaction: str, unfinished: Unfinished) -> AsyncGenerator[tuple[Orphan, bool]]:
        """Give the work that is without a sign of life at two looks in a row, and whether it is a look's first.

        The second look spares work whose worker could not give one, because the database had been away.
        """
        seen = set[Orphan]()
        while True:
            await asyncio.sleep(LOOK)
            orphans = await self._orphans(reaction, unfinished)
            for n, orphan in enumerate(orphan for orphan in orphans if orphan in seen):
                yield orphan, n == 0
            seen = set(orphans)

    async def _orphans(self, reaction: str, unfinished: Unfinished) -> list[Orphan]:
        await self.database.execute(
            "DELETE FROM leases WHERE reaction = $1 AND until < clock_timestamp() - $2::interval", reaction, KEPT
        )
        rows = await self.database.fetch(FIND.format(statement=unfinished.statement), reaction, ORPHANS)
        return [Orphan(row["aggregate"], row["work"]) for row in rows]
