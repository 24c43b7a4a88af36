"""A limit on the rate at which a program is read."""

import asyncio


class Throttle:
    """Delays a reader to a rate. What is not read yet stays in the pipe, and blocks the program that writes it."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second, self._burst = per_second, burst
        self._available, self._updated_at = burst, asyncio.get_running_loop().time()

    async def spend(self, amount: float) -> None:
        """Record that `amount` was read, and wait until the reader may continue."""
        now = asyncio.get_running_loop().time()
        self._available = min(self._burst, self._available + (now - self._updated_at) * self._per_second) - amount
        self._updated_at = now
        if self._available < 0:
            await asyncio.sleep(-self._available / self._per_second)
