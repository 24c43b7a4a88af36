"""Retries while the database or another service is unavailable."""

import asyncio
from collections.abc import Awaitable, Callable

from runtime.bus import Unavailable

from eventing.database import TRANSIENT_ERRORS, Database
from eventing.store import Conflict

PAUSES = (0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0, 5.0)


async def retry_transient[R](act: Callable[[], Awaitable[R]]) -> R:
    """Call `act`, and retry it for half a minute while the database or a service is unavailable or conflicts occur.

    `act` has to be safe to repeat, because it may have succeeded although its answer was lost. Raises what the last
    attempt raised.
    """
    for pause in PAUSES:
        try:
            return await act()
        except (*TRANSIENT_ERRORS, Conflict, Unavailable):
            await asyncio.sleep(pause)
    return await act()


async def wait_until_available(database: Database) -> None:
    """Wait until the database answers, without a limit."""
    while True:
        try:
            await database.check()
        except TRANSIENT_ERRORS:
            await asyncio.sleep(1)
        else:
            return
