"""A thread pool for long blocking work (copying, packing, rendering), so that short blocking work is not starved."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial

THREADS = 4


class BlockingPool:
    """A pool of threads for long blocking work; use `asyncio.to_thread` for short work."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self._executor = executor

    @classmethod
    @asynccontextmanager
    async def open(cls) -> "AsyncGenerator[BlockingPool]":
        """Create the pool. On exit, queued work is cancelled; running work finishes before the process ends."""
        executor = ThreadPoolExecutor(THREADS, thread_name_prefix="blocking")
        try:
            yield cls(executor)
        finally:
            executor.shutdown(wait=False, cancel_futures=True)

    async def run[**P, R](self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `work` in a thread of the pool, waiting for a free one, and return its result."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, partial(work, *args, **kwargs))
