"""A transaction that saves round trips: a lone write, or a pair of them, is sent as one statement."""

import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from itertools import chain
from typing import Any, cast

from eventing.database import CONNECT_TIMEOUT, Connection, Database, Row

MERGEABLE = ("INSERT ", "UPDATE ", "DELETE ")
"""How a second write begins that can be merged: PostgreSQL takes no WITH that writes inside another one."""
_PARAMETER = re.compile(r"\$(\d+)")


@asynccontextmanager
async def deferred_transaction(database: Database) -> AsyncGenerator[Connection]:
    """Borrow a connection for writes of which up to two, if no more follow, are sent as one statement.

    A single statement is a transaction by itself: no BEGIN, no COMMIT. Otherwise all of it is a transaction as usual.
    Leaving commits, an exception rolls back. What a write violates may be raised as late as that.
    """
    async with database.pool.acquire(timeout=CONNECT_TIMEOUT) as connection, AsyncExitStack() as begun:
        transaction = _Deferred(connection, begun)
        yield transaction
        await transaction.send()


class _Deferred:
    def __init__(self, connection: Any, begun: AsyncExitStack) -> None:
        self._connection, self._stack = connection, begun
        self._begun = False
        self._held: list[tuple[str, tuple[object, ...]]] = []

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109  asyncpg
        """Run a write, now or later; the status of one that is held back is empty."""
        if not self._begun and timeout is None and len(self._held) < 2:
            self._held.append((query, args))
            return ""
        return await (await self._in_transaction()).execute(query, *args, timeout=timeout)

    async def fetch(self, query: str, *args: object) -> list[Row]:
        return await (await self._in_transaction()).fetch(query, *args)

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        return await (await self._in_transaction()).fetchrow(query, *args)

    async def fetchval(self, query: str, *args: object) -> Any:
        return await (await self._in_transaction()).fetchval(query, *args)

    async def send(self) -> None:
        """Send what is held back, if no transaction was begun."""
        match self._held:
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
            for query, args in self._held:
                await self._connection.execute(query, *args)
        return cast(Connection, self._connection)


@cache
def _merged(first: str, second: str, parameters: int) -> str:
    # The statement itself runs before what is in its WITH: of two violations, that of the first write is raised.
    renumbered = _PARAMETER.sub(lambda found: f"${int(found[1]) + parameters}", second)
    return f"WITH second AS ({renumbered}) {first}"
