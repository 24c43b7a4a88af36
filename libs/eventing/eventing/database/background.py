"""One connection for rare, short statements of background work, which run one after another, and for advisory locks."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

type Opened = "asyncpg.Connection[Any]"
type Row = dict[str, Any]

LOCK = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"
UNLOCK = "SELECT pg_advisory_unlock(hashtextextended($1, 0))"


class Statements(ABC):
    """Runs statements on a connection that others use, too."""

    @abstractmethod
    async def run[R](self, work: Callable[[Opened], Awaitable[R]]) -> R:
        """Return what `work` returns, which has the connection to itself."""

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement."""
        return await self.run(lambda connection: connection.execute(query, *args))

    async def fetch(self, query: str, *args: object) -> list[Row]:
        """Return all rows."""
        return await self.run(lambda connection: connection.fetch(query, *args))

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        """Return the first row; None if there is none."""
        return await self.run(lambda connection: connection.fetchrow(query, *args))

    async def fetchval(self, query: str, *args: object) -> Any:
        """Return the first column of the first row."""
        return await self.run(lambda connection: connection.fetchval(query, *args))


class Background(Statements):
    """A connection that `connect` opens when it is first used, and again when it is broken.

    The tasks of a process that look every few seconds whether there is work would need a connection each if they used
    a pool, because most of them look at the same moments.
    """

    def __init__(self, connect: Callable[[], Awaitable[Opened]]) -> None:
        self._connect, self._turn, self._locks = connect, asyncio.Lock(), set[str]()
        self._connection: Opened | None = None

    async def run[R](self, work: Callable[[Opened], Awaitable[R]]) -> R:
        """Return what `work` returns, which has the connection to itself."""
        async with self._turn:
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._connect()
            return await self._run(work, self._connection)

    async def run_on[R](self, connection: Opened, work: Callable[[Opened], Awaitable[R]]) -> R:
        """Do the same as `run`, but with no other than this connection, which may be closed."""
        async with self._turn:
            return await self._run(work, connection)

    async def _run[R](self, work: Callable[[Opened], Awaitable[R]], connection: Opened) -> R:
        try:
            return await work(connection)
        except asyncpg.PostgresError:
            raise
        except BaseException:  # cancelled or too late: the server may still be working on it
            self.close()
            raise

    @asynccontextmanager
    async def lock(self, name: str) -> AsyncGenerator[Statements | None]:
        """Try to take an advisory lock; yield the connection that holds it, or None if somebody else has it.

        The lock is lost when the connection is closed: then the statements of the block fail.
        """
        if name in self._locks:  # PostgreSQL would grant it again to the same connection
            yield None
            return
        self._locks.add(name)
        try:
            taken, connection = await self.run(lambda used: _try_lock(used, name))
            try:
                yield _Held(self, connection) if taken else None
            finally:
                if taken and not connection.is_closed():
                    await self.run_on(connection, lambda used: used.execute(UNLOCK, name))
        finally:
            self._locks.discard(name)

    def close(self) -> None:
        """Close the connection, which frees its locks, without waiting for the server, which may hang."""
        if self._connection:
            self._connection.terminate()
            self._connection = None


class _Held(Statements):
    def __init__(self, background: Background, connection: Opened) -> None:
        self._background, self._connection = background, connection

    async def run[R](self, work: Callable[[Opened], Awaitable[R]]) -> R:
        return await self._background.run_on(self._connection, work)


async def _try_lock(connection: Opened, name: str) -> tuple[bool, Opened]:
    return await connection.fetchval(LOCK, name), connection
