"""A transaction that saves round trips: writes that do not depend on each other are sent as a single statement."""

import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import lru_cache
from itertools import chain
from typing import Any, cast

from eventing.database import CONNECT_TIMEOUT, Connection, Database, Row

MAX_MERGED = 8
"""Writes that are merged at most, so that there are few different statements to prepare."""
MAX_STATEMENTS = 1_000
TARGET = re.compile(r'\s*(?:INSERT INTO|UPDATE|DELETE FROM) +"?(\w+)')
"""The table that a write changes. Others, as those that begin with WITH, cannot be merged: PostgreSQL has no nested
WITH that writes."""
_PARAMETER = re.compile(r"\$(\d+)")

type _Write = tuple[str, tuple[object, ...]]


@asynccontextmanager
async def deferred_transaction(database: Database) -> AsyncGenerator["DeferredConnection"]:
    """Borrow a connection that defers writes, and sends consecutive ones that are independent as one statement.

    A statement does not see what another part of it writes. So a write is merged with those before it only if its text
    names none of the tables that they change. What triggers write, no such write may name: `tests/contracts` looks.

    A single statement is a transaction by itself, without BEGIN and COMMIT. Otherwise all of it is an ordinary
    transaction. The end of the block commits, and an exception rolls back. The error of a deferred write may be raised
    as late as at the end of the block.
    """
    async with database.pool.acquire(timeout=CONNECT_TIMEOUT) as connection, AsyncExitStack() as begun:
        transaction = DeferredConnection(connection, begun)
        yield transaction
        await transaction.flush()


class DeferredConnection:
    """A `Connection` whose writes are deferred."""

    def __init__(self, connection: Any, begun: AsyncExitStack) -> None:
        self._connection, self._stack = connection, begun
        self._begun = False
        self._deferred: list[list[_Write]] = []
        """Groups of writes, each of which is sent as one statement."""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109  asyncpg
        """Defer a write, and return an empty status; run it if it has a timeout or follows a read."""
        if self._begun or timeout is not None:
            return await (await self._in_transaction()).execute(query, *args, timeout=timeout)
        last = self._deferred[-1] if self._deferred else None
        if last and _is_independent(query, tuple(statement for statement, _ in last)):
            last.append((query, args))
        else:
            self._deferred.append([(query, args)])
        return ""

    async def fetch(self, query: str, *args: object) -> list[Row]:
        """Return all rows."""
        return await (await self._in_transaction()).fetch(query, *args)

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        """Return the first row; None if there is none."""
        return await (await self._in_transaction()).fetchrow(query, *args)

    async def fetchval(self, query: str, *args: object) -> Any:
        """Return the first column of the first row."""
        return await (await self._in_transaction()).fetchval(query, *args)

    async def flush(self) -> None:
        """Send the deferred writes, unless a transaction was begun."""
        if len(self._deferred) == 1 and not self._begun:
            await self._send(self._deferred[0])
        else:
            await self._in_transaction()

    async def _in_transaction(self) -> Connection:
        if not self._begun:
            self._begun = True
            await self._stack.enter_async_context(self._connection.transaction())
            for group in self._deferred:
                await self._send(group)
        return cast(Connection, self._connection)

    async def _send(self, group: list[_Write]) -> None:
        queries, args = zip(*group, strict=True)
        await self._connection.execute(_merged(queries, tuple(map(len, args))), *chain(*args))


@lru_cache(MAX_STATEMENTS)
def _is_independent(query: str, earlier: tuple[str, ...]) -> bool:
    """Return whether a write can be merged with `earlier` ones, because it neither reads nor writes their tables."""
    if len(earlier) >= MAX_MERGED or not TARGET.match(query):
        return False
    targets = [TARGET.match(each) for each in earlier]
    return all(target and not re.search(rf"\b{target[1]}\b", query) for target in targets)


@lru_cache(MAX_STATEMENTS)
def _merged(queries: tuple[str, ...], parameters: tuple[int, ...]) -> str:
    # The main statement runs first, then those in its WITH, the last one first. So they run in the given order, and of
    # two violations that of the first write is raised.
    first, *others = queries
    parts, offset = list[str](), parameters[0]
    for number, (query, count) in enumerate(zip(others, parameters[1:], strict=True)):
        parts.append(f"part{number} AS ({_renumbered(query, offset)})")
        offset += count
    return f"WITH {', '.join(reversed(parts))} {first}" if parts else first


def _renumbered(query: str, offset: int) -> str:
    return _PARAMETER.sub(lambda found: f"${int(found[1]) + offset}", query)
