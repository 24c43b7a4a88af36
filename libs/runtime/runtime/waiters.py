"""Tasks that wait for an event about one thing, found by that thing's key."""

import asyncio
from collections.abc import Generator, Hashable
from contextlib import contextmanager, suppress


class Waiter:
    """One task's wait for one key."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Let the wait end: the one that is going on, or the next one."""
        self._woken.set()

    async def wait(self, seconds: float) -> bool:
        """Return whether it was woken since the last wait, after at most so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._woken.wait()
        woken = self._woken.is_set()
        self._woken.clear()
        return woken


class Waiters[K: Hashable]:
    """All waiting tasks of one process. Waking carries no value: read the state where it is stored.

    Open a wait before you look at the state, so that a change in between is not missed.
    """

    def __init__(self) -> None:
        self._waiting: dict[K, list[Waiter]] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._waiting

    def __len__(self) -> int:
        return len(self._waiting)

    def wake(self, key: K) -> None:
        """Wake all that wait for a key; nothing happens if nobody does."""
        for waiter in self._waiting.get(key, []):
            waiter.wake()

    @contextmanager
    def waiting(self, key: K) -> Generator[Waiter]:
        """Wait for a key as long as the context is open."""
        waiter = Waiter()
        self._waiting.setdefault(key, []).append(waiter)
        try:
            yield waiter
        finally:
            self._waiting[key].remove(waiter)
            if not self._waiting[key]:
                del self._waiting[key]
