"""Work in progress that was started where nobody waits for it, such as the answers to messages."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class InFlight:
    """The work that is in progress."""

    def __init__(self) -> None:
        self._tasks = set[asyncio.Task[None]]()

    def start(self, work: Coroutine[Any, Any, None], ended: Callable[[], object]) -> None:
        """Start work, and call `ended` at its end, whatever that is."""
        task = asyncio.create_task(work)  # noqa: TID251  a group would end with one of them

        def end(_: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            ended()

        self._tasks.add(task)
        task.add_done_callback(end)

    async def finish(self, seconds: float) -> None:
        """Wait for what is in progress, and cancel what is left after some seconds."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            for task in late:
                task.cancel()
