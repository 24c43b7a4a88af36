"""Trying again what the database, or another service, could not do just now."""

import asyncio
from collections.abc import Awaitable, Callable

from runtime.bus import Unavailable

from eventing.database import TRANSIENT_ERRORS, Database
from eventing.store import Conflict

PAUSES = (0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0, 5.0)


async def retry_transient[R](act: Callable[[], Awaitable[R]]) -> R:
    """Do something; while the database or a service is away, or others are always faster, again for half a minute.

    `act` may be done twice, for its answer may be what got lost. Raises what the last try raised.
    """
    for pause in PAUSES:
        try:
            return await act()
        except (*TRANSIENT_ERRORS, Conflict, Unavailable):
            await asyncio.sleep(pause)
    return await act()


async def wait_until_available(database: Database) -> None:
    """Wait until the database answers, however long it takes."""
    while True:
        try:
            await database.check()
        except TRANSIENT_ERRORS:
            await asyncio.sleep(1)
        else:
            return
