"""A transaction that saves round trips: one or two writes are sent as a single statement."""

import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from itertools import chain
from typing import Any, cast

from eventing.database import CONNECT_TIMEOUT, Connection, Database, Row

MERGEABLE = ("INSERT ", "UPDATE ", "DELETE ")
"""Beginnings of a second write that can be merged: PostgreSQL has no nested WITH that writes."""
_PARAMETER = re.compile(r"\$(\d+)")


@asynccontextmanager
async def deferred_transaction(database: Database) -> AsyncGenerator[Connection]:
    """Borrow a connection whose writes are sent as one statement if there are at most two, and no reads.

    A single statement is a transaction by itself, without BEGIN and COMMIT. Otherwise all of it is an ordinary
    transaction. The end of the block commits, and an exception rolls back. The error of a deferred write may be raised
    as late as at the end of the block.
    """
    async with database.pool.acquire(timeout=CONNECT_TIMEOUT) as connection, AsyncExitStack() as begun:
        transaction = _Deferred(connection, begun)
        yield transaction
        await transaction.flush()


class _Deferred:
    def __init__(self, connection: Any, begun: AsyncExitStack) -> None:
        self._connection, self._stack = connection, begun
        self._begun = False
        self._deferred: list[tuple[str, tuple[object, ...]]] = []

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109  asyncpg
        """Run or defer a write; the status of a deferred one is empty."""
        if not self._begun and timeout is None and len(self._deferred) < 2:
            self._deferred.append((query, args))
            return ""
        return await (await self._in_transaction()).execute(query, *args, timeout=timeout)

    async def fetch(self, query: str, *args: object) -> list[Row]:
        return await (await self._in_transaction()).fetch(query, *args)

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        return await (await self._in_transaction()).fetchrow(query, *args)

    async def fetchval(self, query: str, *args: object) -> Any:
        return await (await self._in_transaction()).fetchval(query, *args)

    async def flush(self) -> None:
        """Send the deferred writes, unless a transaction was begun."""
        match self._deferred:
            case [(query, args)] if not self._begun:
                await self._connection.execute(query, *args)
            case [(first, args), (second, others)] if not self._begun and second.lstrip().startswith(MERGEABLE):
                await self._connection.execute(_merged(first, second, len(args)), *chain(args, others))
            case _:
                await self._in_transaction()

    async def _in_transaction(self) -> Connection:
        if not self._begun:
            self._begun = True
            await self._stack.enter_async_context(self._connection.transaction())
            for query, args in self._deferred:
                await self._connection.execute(query, *args)
        return cast(Connection, self._connection)


@cache
def _merged(first: str, second: str, parameters: int) -> str:
    # The main statement runs before those in its WITH, so of two violations that of the first write is raised.
    renumbered = _PARAMETER.sub(lambda found: f"${int(found[1]) + parameters}", second)
    return f"WITH second AS ({renumbered}) {first}"
