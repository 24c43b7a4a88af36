"""Work in progress that was started where nobody waits for it, such as the answers to messages."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


def begun[R](work: Coroutine[Any, Any, R]) -> asyncio.Task[R]:
    """Start work at once, instead of in the next turn of the event loop; the caller waits for its end.

    In a group, the end of one would end the others, or its error would be wrapped.
    """
    return asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)


class InFlight:
    """The work that is in progress."""

    def __init__(self) -> None:
        self._tasks = set[asyncio.Task[None]]()

    def start(self, work: Coroutine[Any, Any, None], ended: Callable[[], object]) -> None:
        """Start work, and call `ended` at its end, whatever that is."""
        task = begun(work)

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
