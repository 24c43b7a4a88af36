"""Turns at slow work, shared out fairly: who asked least in the last minute goes first."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

AT_ONCE = 4
PER_KEY = 2
"""Turns that one key has or waits for at the same time."""
MAX_WAIT = 1.0
"""Seconds of work that may wait; whoever comes then is told so, rather than let wait in vain."""
WINDOW = 30.0
"""Seconds of which asks are counted: these, and as many before."""
MOST_KEYS = 10_000


class NoTurn(Exception):
    """There is too much to do."""


@dataclass
class _Waiting:
    asked: int
    number: int
    key: str
    go: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def order(self) -> tuple[int, int]:
        return self.asked, self.number


class Turns:
    """Lets a few work at once and some wait. An attack on some keys neither holds all turns nor goes first."""

    def __init__(self) -> None:
        self.working, self._number = 0, 0
        self.took = MAX_WAIT / 10
        self.waiting: list[_Waiting] = []
        self.held = Counter[str]()
        self.recent, self.before, self._since = Counter[str](), Counter[str](), time.monotonic()

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncGenerator[None]:
        """Wait for a turn, and have it as long as the context is open.

        Raises:
            NoTurn: too much waits, of this key or of others who asked less.
        """
        asked = self.count(key)
        if self.held[key] >= PER_KEY:
            raise NoTurn
        self.held[key] += 1
        try:
            await self._take(key, asked)
            began = time.monotonic()
            try:
                yield
            finally:
                self.took = 0.8 * self.took + 0.2 * (time.monotonic() - began)
                self._give_back()
        finally:
            self.held -= Counter([key])

    async def _take(self, key: str, asked: int) -> None:
        if self.working < AT_ONCE and not self.waiting:
            self.working += 1
            return
        self._number += 1
        mine = _Waiting(asked, self._number, key)
        self.waiting.append(mine)
        if len(self.waiting) > self.most:
            last = max(self.waiting, key=lambda waiting: waiting.order)
            self.waiting.remove(last)
            last.go.set_exception(NoTurn())
        try:
            await mine.go
        except asyncio.CancelledError:
            if mine in self.waiting:
                self.waiting.remove(mine)
            elif not mine.go.cancelled() and not mine.go.exception():
                self._give_back()  # it was given at the same moment
            raise

    def _give_back(self) -> None:
        self.waiting = [waiting for waiting in self.waiting if not waiting.go.done()]
        if self.waiting:
            following = min(self.waiting, key=lambda waiting: waiting.order)
            self.waiting.remove(following)
            following.go.set_result(None)
        else:
            self.working -= 1

    @property
    def most(self) -> int:
        """How many may wait: as many as are done within the longest wait, as long as each took of late."""
        return max(1, int(AT_ONCE * MAX_WAIT / self.took))

    def count(self, key: str) -> int:
        """Count one more ask of a key, and return how many there were of late."""
        if time.monotonic() - self._since > WINDOW or len(self.recent) >= MOST_KEYS:
            self.recent, self.before, self._since = Counter[str](), self.recent, time.monotonic()
        self.recent[key] += 1
        return self.recent[key] + self.before[key]
