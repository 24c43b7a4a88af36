"""A transaction that saves round trips: writes that do not depend on each other are sent as a single statement."""

import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import lru_cache
from itertools import accumulate, chain
from typing import Any, NamedTuple, cast

import asyncpg

from eventing.database import CONNECT_TIMEOUT, Connection, Database, Row
from eventing.database.committing import committing
from eventing.database.written import keep_row

MAX_MERGED = 8
"""Writes that are merged at most, so that there are few different statements to prepare."""
MAX_STATEMENTS = 1_000
TARGET = re.compile(r'\s*(?:INSERT INTO|UPDATE|DELETE FROM) +"?(\w+)')
"""The table that a write changes. Others, as those that begin with WITH, cannot be merged: PostgreSQL has no nested
WITH that writes."""
RETURNING = re.compile(r"\sRETURNING\s+(.+)\Z", re.DOTALL)
"""The columns of the row with an `id` that a write returns, to be kept (`eventing.database.written`)."""
MAX_KEPT = 10_000
UNEXPECTED = "not null, as was expected"
_PARAMETER = re.compile(r"\$(\d+)")

type _Statement = tuple[str, tuple[object, ...]]


class Unexpected(Exception):
    """A query had a value, contrary to the expectation. Next time it is read."""


class KnownValues:
    """Whether queries of this process had a value when they were last read; up to 10,000 of them."""

    def __init__(self) -> None:
        self._queries: dict[_Statement, bool] = {}
        self._texts = set[str]()

    def may_have_value(self, query: _Statement) -> bool:
        """Return whether a query had a value; if it was not read yet, whether one with the same text had."""
        return self._queries.get(query, query[0] in self._texts)

    def keep(self, query: _Statement, value: object) -> None:
        """Note whether a query has a value."""
        self._queries.pop(query, None)
        self._queries[query] = value is not None
        if value is not None:
            self._texts.add(query[0])
        if len(self._queries) > MAX_KEPT:
            del self._queries[next(iter(self._queries))]


@asynccontextmanager
async def deferred_transaction(
    database: Database, known_values: KnownValues | None = None
) -> AsyncGenerator["DeferredConnection"]:
    """Borrow a connection that defers writes, and sends consecutive ones that are independent as one statement.

    A statement does not see what another part of it writes. So a write is merged with those before it only if its text
    names none of the tables that they change. What triggers write, no such write may name: `tests/contracts` looks.

    A single statement is a transaction by itself, without BEGIN and COMMIT. Otherwise all of it is an ordinary
    transaction. The end of the block commits, and then does what was passed to `after_commit`; an exception rolls back.
    The error of a deferred write may be raised as late as at the end of the block.

    Raises:
        Unexpected: `expect_none` returned None for a query that has a value, so nothing was written. It is one of the
            `known_values` now, so that a repetition reads it.
    """
    with committing():
        async with database.pool.acquire(timeout=CONNECT_TIMEOUT) as connection, AsyncExitStack() as begun:
            transaction = DeferredConnection(connection, begun, known_values or KnownValues())
            yield transaction
            await transaction.flush()


class DeferredConnection:
    """A `Connection` whose writes are deferred."""

    def __init__(self, connection: Any, begun: AsyncExitStack, known_values: KnownValues) -> None:
        self._connection, self._stack, self._known_values = connection, begun, known_values
        self._begun = False
        self._expected: _Statement | None = None
        self._deferred: list[list[_Statement]] = []
        """Groups of writes, each of which is sent as one statement."""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109  asyncpg
        """Defer a write, and return an empty status; run it if it has a timeout."""
        if timeout is not None:
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

    async def expect_none(self, query: str, *args: object) -> Any:
        """Return the first column of the first row of a query, which few arguments have: a limit of few users.

        To find none costs no round trip: if deferred writes need no transaction yet, and no value was found last time,
        None is returned, and checked at the start of the statement that writes. The first time, that is so unless the
        same query has had a value with other arguments: a default limit, which most users have, is not expected to be
        none for each of them.
        """
        likely = self._known_values.may_have_value((query, args))
        earlier = tuple(statement for group in self._deferred for statement, _ in group)
        if self._begun or self._expected or likely or not earlier or not _reads_none_of(query, earlier):
            value = await self.fetchval(query, *args)
            self._known_values.keep((query, args), value)
            return value
        self._expected = query, args
        return None

    async def flush(self) -> None:
        """Send the deferred writes. A row that one of them returns is kept if they are a single statement."""
        if len(self._deferred) == 1 and not self._begun:
            await self._send(self._deferred[0], keeping=True)
        else:
            await self._in_transaction()

    async def _in_transaction(self) -> Connection:
        if not self._begun:
            self._begun = True
            await self._stack.enter_async_context(self._connection.transaction())
        groups, self._deferred = self._deferred, []
        for group in groups:
            await self._send(group)
        return cast(Connection, self._connection)

    async def _send(self, group: list[_Statement], *, keeping: bool = False) -> None:
        expected, self._expected = self._expected, None
        if expected:
            group = [(_expecting_none(expected[0]), expected[1]), *group]
        queries, args = zip(*group, strict=True)
        returned = _returned(queries) if keeping else None
        statement = _merged(queries, tuple(map(len, args)), returned and returned.number)
        try:
            if returned is None:
                await self._connection.execute(statement, *chain(*args))
                return
            for row in await self._connection.fetch(statement, *chain(*args)):
                keep_row(returned.table, returned.columns, dict(row))
        except asyncpg.InvalidTextRepresentationError as error:
            if not expected or UNEXPECTED not in str(error):
                raise
            self._known_values.keep(expected, UNEXPECTED)
            raise Unexpected(expected[0]) from None


class _Returned(NamedTuple):
    """The first of some statements that returns a row, by its number, and what it returns of which table."""

    number: int
    table: str
    columns: str


@lru_cache(MAX_STATEMENTS)
def _returned(queries: tuple[str, ...]) -> _Returned | None:
    for number, query in enumerate(queries):
        if (target := TARGET.match(query)) and (found := RETURNING.search(query)):
            return _Returned(number, target[1], found[1])
    return None


@lru_cache(MAX_STATEMENTS)
def _is_independent(query: str, earlier: tuple[str, ...]) -> bool:
    """Return whether a write can be merged with `earlier` ones, because it neither reads nor writes their tables."""
    if len(earlier) >= MAX_MERGED or not TARGET.match(query):
        return False
    return _reads_none_of(query, earlier)


@lru_cache(MAX_STATEMENTS)
def _reads_none_of(query: str, writes: tuple[str, ...]) -> bool:
    """Return whether a statement names none of the tables that writes change."""
    targets = [TARGET.match(each) for each in writes]
    return all(target and not re.search(rf"\b{target[1]}\b", query) for target in targets)


def _expecting_none(query: str) -> str:
    # An error is the only way to keep the writes of the same statement from being committed. The text becomes a part of
    # its message, also in the log of the server.
    return f"SELECT (CASE WHEN ({query}) IS NULL THEN 'true' ELSE '{UNEXPECTED}' END)::boolean"


@lru_cache(MAX_STATEMENTS)
def _merged(queries: tuple[str, ...], parameters: tuple[int, ...], returned: int | None) -> str:
    """Return one statement for all, whose result is that of the one with the number `returned`, if there is any."""
    # The main statement runs first, then those in its WITH, the last one first. So they run in the given order, and of
    # two violations that of the first write is raised.
    offsets = accumulate(parameters[:-1], initial=0)
    main, *parts = [_renumbered(query, offset) for query, offset in zip(queries, offsets, strict=True)]
    if returned:
        main, parts = _selecting(returned, [main, *parts])
    named = [f"part{number} AS ({part})" for number, part in enumerate(parts)]
    return f"WITH {', '.join(reversed(named))} {main}" if named else main


def _selecting(returned: int, queries: list[str]) -> tuple[str, list[str]]:
    """Return the main statement that selects what one of several statements returns, and its parts."""
    check = None if TARGET.match(queries[0]) else queries.pop(0)
    returned -= check is not None
    # Conditions that name no column are evaluated before the row is written.
    conditions = [f"({check})"] if check else []
    conditions += [f"(SELECT count(*) FROM part{number}) >= 0" for number in range(returned)]  # noqa: S608  no input
    parts = [f"{query} RETURNING 1" for query in queries[:returned]] + queries[returned:]
    return f"SELECT * FROM part{returned} WHERE {' AND '.join(conditions)}", parts  # noqa: S608  no input


def _renumbered(query: str, offset: int) -> str:
    return _PARAMETER.sub(lambda found: f"${int(found[1]) + offset}", query)
