"""What tests of anything asynchronous need."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable

PATIENCE = 10.0


async def eventually(condition: Callable[[], object | Awaitable[object]], *, within: float = PATIENCE) -> None:
    """Wait until a condition, a plain or an asynchronous function, gives something true.

    Raises:
        TimeoutError: it did not in time; its last value is told.
    """
    value: object = None
    try:
        async with asyncio.timeout(within):
            while not (value := await _value(condition)):  # noqa: ASYNC110  a condition may be anything
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise TimeoutError(f"after {within:g} s it still is {value!r}") from None


async def _value(condition: Callable[[], object | Awaitable[object]]) -> object:
    value = condition()
    return await value if inspect.isawaitable(value) else value
