"""Waiting for a value that is read again and again."""

from collections.abc import Awaitable, Callable

from runtime.testing import eventually


async def eventually_equals[T](read: Callable[[], Awaitable[T]], expected: T) -> None:
    """Wait until `read` returns the expected value.

    Raises:
        AssertionError: it did not; the message contains the last value.
    """
    last: list[T] = []

    async def matches() -> bool:
        last[:] = [await read()]
        return last == [expected]

    try:
        await eventually(matches)
    except TimeoutError:
        raise AssertionError(f"last value: {last}\nexpected: {expected}") from None
