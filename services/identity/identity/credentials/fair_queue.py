"""A queue that shares slow work out fairly: the key with the fewest requests in the last minute is served first.

Requests of known clients go before those of all others: an attacker has as many new keys as there are addresses.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

MAX_CONCURRENT = 4
MAX_PER_KEY = 2
"""Requests of one key that may run or wait at the same time."""
MAX_WAIT_SECONDS = 1.0
"""Work that may wait, in seconds; further requests fail immediately, since their clients would wait in vain."""
WINDOW_SECONDS = 30.0
"""Length of each of the two windows, the current and the previous one, in which the requests of a key are counted."""
MAX_KEYS = 10_000
"""Keys that one window counts; more of them begin the next window early, which bounds the memory under attack."""


class Overloaded(Exception):
    """More work is waiting than can be done in time."""


@dataclass
class _Waiting:
    known: bool
    requests: int
    number: int
    admitted: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def priority(self) -> tuple[bool, int, int]:
        """The lowest is served first: known clients, then fewest requests, then longest wait."""
        return not self.known, self.requests, self.number


class FairQueue:
    """Limits the work that runs concurrently. An attack on a few keys neither holds all slots nor goes first."""

    def __init__(self) -> None:
        self.running, self._number = 0, 0
        self.average_seconds = MAX_WAIT_SECONDS / 10
        self.waiting: list[_Waiting] = []
        self.held_by_key = Counter[str]()
        self.current, self.previous, self._window_start = Counter[str](), Counter[str](), time.monotonic()

    @asynccontextmanager
    async def slot(self, key: str, *, known: bool = False) -> AsyncGenerator[None]:
        """Wait for a slot, and hold it while the context is open.

        Raises:
            Overloaded: too many requests are waiting, of this key or of keys that go before it.
        """
        requests = self.count(key)
        if self.held_by_key[key] >= MAX_PER_KEY:
            raise Overloaded
        self.held_by_key[key] += 1
        try:
            await self._acquire(known, requests)
            started_at = time.monotonic()
            try:
                yield
            finally:
                self.average_seconds = 0.8 * self.average_seconds + 0.2 * (time.monotonic() - started_at)
                self._release()
        finally:
            self.held_by_key -= Counter([key])  # drops the key when it reaches 0, so that the counter stays small

    async def _acquire(self, known: bool, requests: int) -> None:
        if self.running < MAX_CONCURRENT and not self.waiting:
            self.running += 1
            return
        self._number += 1
        own = _Waiting(known, requests, self._number)
        self.waiting.append(own)
        if len(self.waiting) > self.max_waiting:
            last = max(self.waiting, key=lambda waiting: waiting.priority)
            self.waiting.remove(last)
            last.admitted.set_exception(Overloaded())
        try:
            await own.admitted
        except asyncio.CancelledError:
            if own in self.waiting:
                self.waiting.remove(own)
            elif not own.admitted.cancelled() and not own.admitted.exception():
                self._release()  # the slot was assigned in the same moment, and nobody else would release it
            raise

    def _release(self) -> None:
        self.waiting = [waiting for waiting in self.waiting if not waiting.admitted.done()]
        if self.waiting:
            following = min(self.waiting, key=lambda waiting: waiting.priority)
            self.waiting.remove(following)
            following.admitted.set_result(None)
        else:
            self.running -= 1

    @property
    def max_waiting(self) -> int:
        """The number of requests that can be served within `MAX_WAIT_SECONDS`, at the current average duration."""
        return max(1, int(MAX_CONCURRENT * MAX_WAIT_SECONDS / self.average_seconds))

    def count(self, key: str) -> int:
        """Count a request of a key, and return the number of its requests in both windows."""
        if time.monotonic() - self._window_start > WINDOW_SECONDS or len(self.current) >= MAX_KEYS:
            self.current, self.previous, self._window_start = Counter[str](), self.current, time.monotonic()
        self.current[key] += 1
        return self.current[key] + self.previous[key]
