"""Rebuilds a read model while the service runs: builds it again, catches up, and swaps it under a short lock."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import asyncpg

from eventing.database import Connection
from eventing.rebuilding import CannotRebuild
from eventing.rebuilding.shadow import Shadow
from eventing.rebuilding.swap import Swap, check_foreign_keys
from eventing.recording import EventTooNew, Recorded
from eventing.store import START, Cursor, FeedEntry, Unreadable
from eventing.store.postgres import PostgresStore

PAGE_EVENTS, PAGE_BYTES = 5_000, 16 * 2**20
FEW_EVENTS = 200
"""So many new events may be left to be projected under the lock."""
ATTEMPTS, PAUSE_SECONDS = 60, 0.5
SAY_SECONDS = 5.0
"""Pause between two lines about the progress."""
MAX_TAIL = 20_000
"""So many events are projected under the lock at most; more are left while a long transaction is open."""

type Say = Callable[[str], None]


class Behind(Exception):
    """Too many events have not been projected yet to do so under the lock."""


IN_USE = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, Behind)


class Rebuild:
    """One rebuild of a read model of a service, by the owner of its tables. `store` has the service's events."""

    def __init__(self, store: PostgresStore, shadow: Shadow, say: Say, stop: asyncio.Event) -> None:
        self.store, self.shadow, self.say, self.stop = store, shadow, say, stop
        self.cursor: Cursor = START
        self.events, self._said_at = 0, time.monotonic()

    async def run(self, migrations: Path) -> None:
        """Build the read model, and swap it for the live one.

        Raises:
            CannotRebuild: that is not possible, or it was stopped; the live one is as it was.
        """
        total = await self.store.database.fetchval("SELECT count(*) FROM events")
        try:
            await self.shadow.create(migrations)
            async with self.store.database.transaction() as connection:
                await _check_migrations(Swap(self.shadow, connection))
            await self._build(total)
            await self._swap()
        except EventTooNew as error:
            raise CannotRebuild(f"Only a newer release can read an event: {error}.") from None
        except asyncpg.InsufficientPrivilegeError as error:
            raise CannotRebuild(
                f"The database role may not do this ({error}): set MIGRATION_DATABASE_URL to the owner of the tables."
            ) from None
        except asyncpg.IntegrityConstraintViolationError as error:
            raise CannotRebuild(f"The events do not satisfy a constraint: {error} ({error.detail}).") from None
        finally:
            await self.shadow.drop()
        for violation in await check_foreign_keys(self.shadow.database, self.shadow.live):
            self.say(f"A foreign key is violated. Rebuild the read model of the other table, too: {violation}")

    async def _build(self, total: int) -> None:
        await self._catch_up(total)
        self.say(f"All {self.events} events projected; preparing the swap")
        await self.shadow.prepare()

    async def _catch_up(self, total: int) -> None:
        events, read = await self._page()
        while read >= FEW_EVENTS:
            # The next page is read meanwhile: this process decodes events, while the server projects. A TaskGroup would
            # wrap the exceptions.
            following = asyncio.get_running_loop().create_task(self._page())
            try:
                await self._project(events)
                events, read = await following
            finally:
                following.cancel()
                await asyncio.wait([following])
            if time.monotonic() - self._said_at > SAY_SECONDS:
                self._said_at = time.monotonic()
                self.say(f"{self.events} of {max(total, self.events)} events read")
        await self._project(events)

    async def _project(self, events: Sequence[Recorded[Any]]) -> None:
        await self.shadow.project(events, self.store.project)
        if self.stop.is_set():
            raise CannotRebuild("The rebuild was stopped.")

    async def _page(self, locked: Connection | None = None) -> tuple[list[Recorded[Any]], int]:
        """Return the next events, and how many entries of the feed were read."""
        entries = await self.store.entries(self.cursor, PAGE_EVENTS, PAGE_BYTES, locked, locked=locked is not None)
        for entry in entries:
            if isinstance(entry, Unreadable):
                raise CannotRebuild(f"No release can read the event {entry.version} of {entry.id}: {entry.reason}.")
        if entries:
            self.cursor = entries[-1].cursor
        self.events += len(entries)
        return [entry.recorded for entry in entries if isinstance(entry, FeedEntry)], len(entries)

    async def _swap(self) -> None:
        for _ in range(ATTEMPTS):
            reached = self.cursor, self.events
            try:
                seconds = await self._try_swap()
            except IN_USE:
                self.cursor, self.events = reached
                await asyncio.sleep(PAUSE_SECONDS)
                await self._catch_up(self.events)
            else:
                name = self.shadow.model.name
                return self.say(f"{name} was rebuilt from {self.events} events; writes waited {seconds:.2f} s")
        raise CannotRebuild("The tables are in use all the time: end long transactions, or try again later.")

    async def _try_swap(self) -> float:
        """Swap in one transaction, and return how long nobody could write."""
        async with self.store.database.transaction() as connection:
            swap = Swap(self.shadow, connection)
            await swap.stop_writes()
            begun_at, most = time.monotonic(), self.events + MAX_TAIL
            await _check_migrations(swap)
            while (page := await self._page(connection))[1]:
                await self.shadow.project_within(page[0], self.store.project, connection)
                if self.events > most:
                    raise Behind
            await self.shadow.complete(connection)
            await swap.exchange()
        return time.monotonic() - begun_at


async def _check_migrations(swap: Swap) -> None:
    if not await swap.same_migrations():
        raise CannotRebuild("The database has other migrations than this release: run `migrate` of this release first.")
