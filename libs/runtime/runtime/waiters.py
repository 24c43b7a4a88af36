"""Tasks that wait for a change of something, identified by a key."""

import asyncio
from collections.abc import Generator, Hashable
from contextlib import contextmanager, suppress


class Waiter:
    """One task that waits for one key."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """End the current wait, or the next one."""
        self._woken.set()

    async def wait(self, seconds: float) -> bool:
        """Wait at most `seconds`, and return whether it was woken since the last wait."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._woken.wait()
        woken = self._woken.is_set()
        self._woken.clear()
        return woken


class Waiters[K: Hashable]:
    """The waiting tasks of one process. Waking carries no value; a woken task reads the state where it is stored.

    Start to wait before reading the state, so that a change in between is not missed.
    """

    def __init__(self) -> None:
        self._waiting: dict[K, list[Waiter]] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._waiting

    def __len__(self) -> int:
        return len(self._waiting)

    def wake(self, key: K) -> None:
        """Wake all tasks that wait for a key."""
        for waiter in self._waiting.get(key, []):
            waiter.wake()

    @contextmanager
    def waiting(self, key: K) -> Generator[Waiter]:
        """Yield a waiter for a key, registered while the context is open."""
        waiter = Waiter()
        self._waiting.setdefault(key, []).append(waiter)
        try:
            yield waiter
        finally:
            self._waiting[key].remove(waiter)
            if not self._waiting[key]:
                del self._waiting[key]
