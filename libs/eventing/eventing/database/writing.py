"""Whether the database accepts changes: one that can only be read answers every other check."""

import asyncio
import time

import asyncpg
from runtime.http.health import NotReady

from eventing.database import Database

VALID_SECONDS = 5.0
"""How long a successful check holds, so that probes write at a bounded rate."""
WRITE = "INSERT INTO write_checks (at) VALUES (now()) ON CONFLICT (one) DO UPDATE SET at = excluded.at"


class WriteCheck:
    """The check of one replica that its database accepts changes."""

    def __init__(self, database: Database) -> None:
        self.database, self._lock, self._written_at = database, asyncio.Lock(), -VALID_SECONDS

    async def check(self) -> None:
        """Compare the clocks, and write a row unless that has succeeded within the last 5 s (a health check).

        Raises:
            NotReady: the database accepts no changes; says why.
            OSError, TimeoutError, asyncpg.PostgresError: it does not answer.
        """
        await self.database.check()
        async with self._lock:
            if time.monotonic() - self._written_at < VALID_SECONDS:
                return
            try:
                await self.database.execute(WRITE)
            except asyncpg.ReadOnlySQLTransactionError:
                raise NotReady("the database can only be read: it is a standby, or was set to read-only") from None
            except asyncpg.DiskFullError:
                raise NotReady("the disk of the database is full") from None
            self._written_at = time.monotonic()
