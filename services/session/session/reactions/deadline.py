"""The time limit of a run."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Self


class Deadline:
    """Calls `on_expiry` and sets `over` after `seconds`, not counting the time in `paused` contexts.

    `used_ms` has passed already.
    """

    def __init__(self, seconds: float, on_expiry: Callable[[], None], used_ms: int = 0) -> None:
        self.over = asyncio.Event()
        self._seconds, self._left = seconds, max(0.0, seconds - used_ms / 1000)
        self._on_expiry, self._pauses = on_expiry, 0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._pauses += 1  # permanently: a pause that ends later must not restart the timer

    @property
    def expired(self) -> bool:
        """Whether the time is over."""
        return self.over.is_set()

    @property
    def used_ms(self) -> int:
        """The time that has passed, without pauses, in milliseconds; all of it once it is over."""
        if self.expired:
            return int(self._seconds * 1000)
        left = self._due - asyncio.get_running_loop().time() if self._timer else self._left
        return int((self._seconds - left) * 1000)

    @contextmanager
    def paused(self) -> Generator[None]:
        """Stop the clock while the context is open."""
        self._stop()
        self._pauses += 1
        try:
            yield
        finally:
            self._pauses -= 1
            if not self._pauses:
                self._start()

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + self._left
        self._timer = loop.call_at(self._due, self._expire)

    def _stop(self) -> None:
        if self._timer:
            self._left = max(0.0, self._due - asyncio.get_running_loop().time())
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self.over.set()
        self._on_expiry()
