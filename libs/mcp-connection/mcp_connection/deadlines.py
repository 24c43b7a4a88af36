"""The deadlines of the calls of a connection."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager


class Deadlines:
    """Limits the time of calls, but not that in which a user answers the server's question."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Timeout, float] = {}

    @asynccontextmanager
    async def limit(self, seconds: float) -> AsyncGenerator[None]:
        """Raise TimeoutError if the context takes longer."""
        async with asyncio.timeout(seconds) as timeout:
            self._running[timeout] = seconds
            try:
                yield
            finally:
                del self._running[timeout]

    @contextmanager
    def suspended(self) -> Generator[None]:
        """Suspend all deadlines. Afterwards calls have their whole time again."""
        for timeout in self._running:
            timeout.reschedule(None)
        try:
            yield
        finally:
            now = asyncio.get_running_loop().time()
            for timeout, seconds in self._running.items():
                if not timeout.expired():
                    timeout.reschedule(now + seconds)
