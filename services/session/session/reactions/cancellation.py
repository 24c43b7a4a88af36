"""The cancellation of an agent's turn."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

from contracts.refusals import Refusal


class Cancellation:
    """Calls `end` once it is requested. `refusal` is the reason if the worker has lost its run."""

    def __init__(self, end: Callable[[], Awaitable[None]]) -> None:
        self.refusal: Refusal | None = None
        self._end, self._requested = end, asyncio.Event()

    async def __aenter__(self) -> Self:
        self._tasks = await asyncio.TaskGroup().__aenter__()
        self._ending = self._tasks.create_task(self._end_when_requested())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ending.cancel()
        # The caller's exception is not passed on, because a task group would wrap it.
        await self._tasks.__aexit__(None, None, None)

    @property
    def requested(self) -> bool:
        """Whether the cancellation was requested."""
        return self._requested.is_set()

    def request(self, refusal: Refusal | None = None) -> None:
        """Request the end of the agent; the first refusal is kept."""
        self.refusal = self.refusal or refusal
        self._requested.set()

    async def _end_when_requested(self) -> None:
        await self._requested.wait()
        await self._end()
