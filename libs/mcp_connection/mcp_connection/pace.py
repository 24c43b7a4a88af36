"""A limit on how fast a server may make its client work."""

import asyncio
from dataclasses import dataclass, field


@dataclass
class Pace:
    """Lets `burst` units pass at once, and `rate` units a second on average."""

    rate: float
    burst: float
    _used: float = field(default=0, init=False)
    _since: float = field(default=0, init=False)

    async def take(self, units: float) -> None:
        """Wait until so many units may pass."""
        now = asyncio.get_running_loop().time()
        self._used = max(0.0, self._used - (now - self._since) * self.rate) + units
        self._since = now
        if self._used > self.burst:
            await asyncio.sleep((self._used - self.burst) / self.rate)
