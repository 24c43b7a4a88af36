"""A limit on how fast a server can make its client work."""

import asyncio


class Throttle:
    """Delays a reader to a rate. What is not read yet stays in the pipe or the socket, and blocks its sender."""

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
