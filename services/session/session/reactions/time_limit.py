"""The time that a run may take."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Self, cast


class TimeLimit:
    """Calls `end` when the time is over; it stands still while people are waited for."""

    def __init__(self, seconds: float, end: Callable[[], Awaitable[None]]) -> None:
        self.expired = False
        self._left, self._end, self._waiting = seconds, end, 0
        self._over, self._due, self._timer = asyncio.Event(), 0.0, cast(asyncio.TimerHandle | None, None)

    async def __aenter__(self) -> Self:
        self._tasks = await asyncio.TaskGroup().__aenter__()
        self._ending = self._tasks.create_task(self._end_when_over())
        self._go()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stand()
        self._waiting += 1  # for good: who leaves `standing` later starts nothing any more
        self._ending.cancel()
        # Without the caller's exception, which a task group would wrap.
        await self._tasks.__aexit__(None, None, None)

    @property
    def over(self) -> bool:
        """Whether `end` was called."""
        return self._over.is_set()

    def end(self) -> None:
        """Call `end` now."""
        self._over.set()

    @contextmanager
    def standing(self) -> Generator[None]:
        """Do not count the time until leaving."""
        self._stand()
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._go()

    def _go(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + self._left
        self._timer = loop.call_at(self._due, self._expire)

    def _stand(self) -> None:
        if self._timer:
            self._left = max(0.0, self._due - asyncio.get_running_loop().time())
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self.expired = True
        self._over.set()

    async def _end_when_over(self) -> None:
        await self._over.wait()
        await self._end()
