"""Due times in a test: processing them one claim at a time, and setting the clocks."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from runtime import clock

from eventing.database import Database
from eventing.due_times import DueTimes


async def process_due[T](due_times: DueTimes[T]) -> int:
    """Claim due times once, process them, and return their number."""
    rows = await due_times.claim()
    await asyncio.gather(*map(due_times.process, rows))
    return len(rows)


def set_clocks(patch: Callable[[object, str, object], None], now: Callable[[], datetime]) -> None:
    """Let the clock of this process and that of the database show what `now` returns; `patch` replaces an attribute."""

    async def database_now(database: Database) -> datetime:
        await database.fetchval("SELECT 1")  # fails while the database is unavailable, as it does otherwise
        return now()

    patch(clock, "now", now)
    patch(Database, "now", database_now)
