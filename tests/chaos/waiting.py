"""Waiting for work that takes longer on a busy machine, but never stops."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from eventing.database import Database
from runtime.testing import eventually

QUIET_SECONDS = 120.0
PERIODS = 5
NEWEST = "SELECT (SELECT max(position) FROM session.events), (SELECT max(position) FROM task_scheduler.events)"


async def settles(database: Database, condition: Callable[[], Awaitable[bool]]) -> bool:
    """Wait until a condition holds, and return whether it does.

    It waits as long as sessions or tasks record events, at least one in `QUIET_SECONDS`, and for 10 minutes at most.
    """
    newest = None
    for _ in range(PERIODS):
        previous, newest = newest, await database.fetchrow(NEWEST)
        if newest == previous:
            return False
        with suppress(TimeoutError):
            await eventually(condition, within=QUIET_SECONDS)
            return True
    return False
