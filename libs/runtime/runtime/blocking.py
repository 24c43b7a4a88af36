"""Threads for work that blocks for long, such as copying, packing and rendering: it keeps nobody from a thread."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial

THREADS = 4


class BlockingPool:
    """The threads of one process for long work; short work goes through `asyncio.to_thread`."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self._executor = executor

    @classmethod
    @asynccontextmanager
    async def open(cls) -> "AsyncGenerator[BlockingPool]":
        """Create the pool. Leaving cancels what waits for a thread; what is running ends before the process does."""
        executor = ThreadPoolExecutor(THREADS, thread_name_prefix="blocking")
        try:
            yield cls(executor)
        finally:
            executor.shutdown(wait=False, cancel_futures=True)

    async def run[**P, R](self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function in a thread, as soon as one is free, and return what it returns."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, partial(work, *args, **kwargs))
