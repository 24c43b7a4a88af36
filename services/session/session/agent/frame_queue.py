"""A queue with room for so many bytes."""

import asyncio
from collections import deque
from typing import Any, cast

MAX_QUEUED_BYTES = 4 * 2**20


class FrameQueue:
    """Frames of one agent that nobody has taken yet. Who brings more than there is room for waits."""

    def __init__(self) -> None:
        self._frames, self._bytes = deque[tuple[dict[str, Any], int]](), 0
        self._closed, self._error = False, cast(Exception | None, None)
        self._changed = asyncio.Condition()

    async def put(self, frame: dict[str, Any], size: int) -> None:
        """Add a frame of so many bytes, as soon as there is room; a single one always has."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._frames or self._bytes + size <= MAX_QUEUED_BYTES)
            self._frames.append((frame, size))
            self._bytes += size
            self._changed.notify_all()

    async def get(self) -> dict[str, Any] | None:
        """Return the next frame, or None when no more will come.

        Raises:
            Exception: the one that ended the reading.
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
        """Throw away what nobody has taken."""
        async with self._changed:
            self._frames.clear()
            self._bytes = 0
            self._changed.notify_all()

    async def close(self, error: Exception | None = None) -> None:
        """Say that no more will come; with an error, why. The first word holds."""
        async with self._changed:
            if not self._closed:
                self._closed, self._error = True, error
            self._changed.notify_all()
