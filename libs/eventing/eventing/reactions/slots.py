"""Slots for the events that a replica processes at the same time."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Slots:
    """The slots of one reaction, and the tasks that run in them."""

    def __init__(self, number: int, tasks: asyncio.TaskGroup) -> None:
        self._free, self.tasks = asyncio.Semaphore(number), tasks

    @property
    def full(self) -> bool:
        """Whether `acquire` would wait."""
        return self._free.locked()

    async def acquire(self) -> None:
        """Wait for a free slot, and take it."""
        await self._free.acquire()

    async def try_acquire(self) -> bool:
        """Take a slot without waiting; return False if none is free."""
        return not self.full and await self._free.acquire()

    def release(self) -> None:
        """Free a slot that was taken, and is not used."""
        self._free.release()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` in a slot that was taken, which is free again when it ends."""
        self.tasks.create_task(work).add_done_callback(lambda _: self.release())
