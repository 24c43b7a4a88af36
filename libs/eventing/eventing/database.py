"""PostgreSQL, as the services see it: one schema, a bounded pool, and a time limit on everything."""

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Protocol, cast

import asyncpg
from pydantic_core import to_json

type Row = dict[str, Any]

TRANSIENT_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,  # disk, memory, connections
    asyncpg.ReadOnlySQLTransactionError,  # another server is the primary now
    asyncpg.IdleInTransactionSessionTimeoutError,
)
"""What is raised while the server is away, starts or stops, or something there is used up: worth another try."""

CONNECT_TIMEOUT = 3.0
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")  # an even number of backslashes before: an escape, not a text about one
STATEMENT_TIMEOUT = 10.0
# For the server. A client that is gone without a word is noticed in half a minute, not in two hours: until then its
# locks are held. A transaction that nobody goes on with is ended: while one is open, the feed of events stands still.
SESSION = {
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "idle_in_transaction_session_timeout": "30s",
}


class Connection(Protocol):
    """One connection, usually inside a transaction that someone else opened."""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109  asyncpg
        """Run a statement, for at most `timeout` seconds if it is given, else for as long as usual."""
        ...

    async def fetch(self, query: str, *args: object) -> list[Row]:
        """Give all rows."""
        ...

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        """Give the first row."""
        ...

    async def fetchval(self, query: str, *args: object) -> Any:
        """Give the first column of the first row."""
        ...


class _Session(asyncpg.Connection):
    def get_reset_query(self) -> str:
        # We keep no state in a connection, so the pool's reset at each release would be a wasted round trip.
        return ""


class Database:
    """A pool of connections whose search path is one service's schema."""

    def __init__(self, pool: "asyncpg.Pool[Any]", url: str, schema: str) -> None:
        self.pool, self.url, self.schema = pool, url, schema

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, schema: str, *, size: int = 10) -> AsyncGenerator["Database"]:
        """Open a pool of at most `size` connections; it connects when first used and mends itself."""
        pool = asyncpg.create_pool(
            url,
            min_size=0,
            max_size=size,
            timeout=CONNECT_TIMEOUT,
            command_timeout=STATEMENT_TIMEOUT,
            connection_class=_Session,
            init=_speak_json,
            server_settings={"search_path": schema, "application_name": schema, **SESSION},
        )
        async with pool:
            yield cls(pool, url, schema)

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """Borrow a connection.

        Raises:
            TimeoutError: none became free within 3 s.
        """
        async with self.pool.acquire(timeout=CONNECT_TIMEOUT) as connection:
            yield cast(Connection, connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        """Borrow a connection inside a transaction: leaving it commits, an exception rolls back."""
        async with self.pool.acquire(timeout=CONNECT_TIMEOUT) as connection, connection.transaction():
            yield cast(Connection, connection)

    @asynccontextmanager
    async def holding(self, lock: str, *, idle: float = 0) -> AsyncGenerator[Connection | None]:
        """Try to hold a lock that only one process has; give the connection that holds it, None if it was not free.

        What is done on that connection is done by who has the lock, and on the server on which it was taken. A process
        that hangs keeps its connections: the server takes the lock away from one that has not used the connection for
        `idle` seconds (0: never).
        """
        connection = await asyncpg.connect(
            self.url,
            timeout=CONNECT_TIMEOUT,
            command_timeout=STATEMENT_TIMEOUT,
            server_settings={
                "search_path": self.schema,
                "application_name": f"{self.schema} {lock}",
                "idle_session_timeout": f"{idle * 1000:.0f}ms",
                **SESSION,
            },
        )
        try:
            await _speak_json(connection)
            free = await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", lock)
            yield cast(Connection, connection) if free else None
        finally:
            connection.terminate()  # the server lets go of the lock as soon; a polite goodbye may hang or fail

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement."""
        async with self.connection() as connection:
            return await connection.execute(query, *args)

    async def fetch(self, query: str, *args: object) -> list[Row]:
        """Give all rows."""
        async with self.connection() as connection:
            return await connection.fetch(query, *args)

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        """Give the first row."""
        async with self.connection() as connection:
            return await connection.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: object) -> Any:
        """Give the first column of the first row."""
        async with self.connection() as connection:
            return await connection.fetchval(query, *args)

    async def check(self) -> None:
        """Raise when the database does not answer (a health check)."""
        await self.fetchval("SELECT 1")


async def _speak_json(connection: "asyncpg.Connection[Any]") -> None:
    # pydantic's own reader gives up before its writer does, at 200 levels, and then a row could not be read any more.
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=_to_text, decoder=json.loads)


def _to_text(value: object) -> str:
    # PostgreSQL keeps no NUL in its texts, and what a tool prints may hold some: the replacement character stands in.
    text = to_json(value).decode()
    return _NUL.sub(r"\1\\ufffd", text) if "\\u0000" in text else text
