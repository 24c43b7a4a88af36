"""What tests of anything asynchronous need."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, overload


@overload
async def eventually[T](condition: Callable[[], Awaitable[T | None]], *, within: float = ...) -> T: ...
@overload
async def eventually[T](condition: Callable[[], T | None], *, within: float = ...) -> T: ...
async def eventually(condition: Callable[[], Any], *, within: float = 60.0) -> Any:
    """Ask a condition, a plain or an asynchronous function, until it gives something true, and return that.

    It only has to end before the test does, whose limit is 180 s: nobody waits so long unless something is broken.

    Raises:
        TimeoutError: it gave nothing true for `within` seconds; what it gave last is told.
    """
    value: object = None
    try:
        async with asyncio.timeout(within):
            while not (value := await _value(condition)):  # noqa: ASYNC110  a condition may be anything
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise TimeoutError(f"after {within:g} s it still is {value!r}") from None
    return value


async def _value(condition: Callable[[], Any]) -> Any:
    value = condition()
    return await value if inspect.isawaitable(value) else value


@asynccontextmanager
async def background(*work: Coroutine[Any, Any, object]) -> AsyncGenerator[list[asyncio.Task[object]]]:
    """Let work go on as long as the context is open, then cancel it. What fails in it fails the test."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(one) for one in work]
        try:
            yield running
        finally:
            for task in running:
                task.cancel()
