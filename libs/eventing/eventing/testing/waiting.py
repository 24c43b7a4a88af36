"""Waiting for a value that is read again and again, and for locks to be free."""

from collections.abc import Awaitable, Callable

from runtime.testing import eventually

from eventing.database import Database

IS_UNLOCKED = """
    SELECT NOT EXISTS (SELECT FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
                       WHERE l.locktype = 'advisory' AND d.datname = current_database())"""


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


async def eventually_unlocked(database: Database) -> None:
    """Wait until nobody holds an advisory lock: the server frees those of a connection some time after its end."""
    await eventually(lambda: database.fetchval(IS_UNLOCKED))
