"""Threads of their own for what lasts: copying, packing, unpacking, erasing, measuring keep nobody from a thread."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial

AT_ONCE = 4


class Lasting:
    """The threads of one replica; what is short goes through `asyncio.to_thread`."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads

    @classmethod
    @asynccontextmanager
    async def open(cls) -> "AsyncGenerator[Lasting]":
        """Give the threads; leaving forgets what waits for one. What goes on ends before the process does."""
        threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="lasting")
        try:
            yield cls(threads)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    async def do[**P, R](self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do what blocks for long, and give what it gives."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *args, **kwargs))
