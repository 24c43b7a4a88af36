"""A queue that is bounded by the size of its items."""

import asyncio
from collections import deque
from typing import Any, cast

MAX_QUEUED_BYTES = 4 * 2**20


class FrameQueue:
    """The frames of one agent that its turn has not processed yet; a producer waits while the queue is full."""

    def __init__(self) -> None:
        self._frames, self._bytes = deque[tuple[dict[str, Any], int]](), 0
        self._closed, self._error = False, cast(Exception | None, None)
        self._changed = asyncio.Condition()

    async def put(self, frame: dict[str, Any], size: int) -> None:
        """Add a frame of `size` bytes, waiting until it fits. An empty queue accepts a frame of any size."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._frames or self._bytes + size <= MAX_QUEUED_BYTES)
            self._frames.append((frame, size))
            self._bytes += size
            self._changed.notify_all()

    async def get(self) -> dict[str, Any] | None:
        """Wait for the next frame and return it; return None once the queue is closed and empty.

        Raises:
            Exception: the error that the queue was closed with.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._frames or self._closed)
            if not self._frames:
                if self._error:
                    raise self._error
                return None
            frame, size = self._frames.popleft()
            self._bytes -= size
            self._changed.notify_all()
            return frame

    async def clear(self) -> None:
        """Remove all queued frames."""
        async with self._changed:
            self._frames.clear()
            self._bytes = 0
            self._changed.notify_all()

    async def close(self, error: Exception | None = None) -> None:
        """Close the queue, with the error that ended reading if there was one. Only the first call has an effect."""
        async with self._changed:
            if not self._closed:
                self._closed, self._error = True, error
            self._changed.notify_all()
