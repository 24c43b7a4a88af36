"""What tests of event-sourced code need."""

import asyncio
from collections.abc import Awaitable, Callable


async def eventually[T](condition: Callable[[], Awaitable[T]], *, within: float = 10.0) -> T:
    """Await a condition: ask again every 20 ms until it gives something true, and give that.

    Raises:
        TimeoutError: it gave nothing true for `within` seconds.
    """
    async with asyncio.timeout(within):
        while not (result := await condition()):
            await asyncio.sleep(0.02)
    return result
