"""PostgreSQL for the services: one schema each, a bounded pool, and a timeout on every operation."""

import json
import re
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Protocol, cast

import asyncpg
from pydantic_core import to_json
from runtime.secrets.key_ring import Ring

from eventing.database.background import LOCK, Background
from eventing.database.clock import DatabaseClock
from eventing.database.data_keys import DataKeys

type Row = dict[str, Any]

TRANSIENT_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server has just ended the connection, which still seems to be open
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,  # disk, memory, connections
    asyncpg.ReadOnlySQLTransactionError,  # another server is the primary now
    asyncpg.IdleInTransactionSessionTimeoutError,
)
"""Raised while the server is unavailable, starts up, shuts down or lacks resources: worth a retry."""

CONNECT_TIMEOUT = 3.0
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")  # an even number of backslashes before it makes it an escape
STATEMENT_TIMEOUT = 10.0
IDLE_SECONDS = 30.0
"""After which an unused connection is closed: each costs the server 2 MB, and few are needed most of the time."""
# For the server. It detects a vanished client, which holds its locks until then, in half a minute instead of two hours.
# It ends idle transactions, because an open one blocks the feed of events.
SESSION = {
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "idle_in_transaction_session_timeout": "30s",
}


class Reader(Protocol):
    """A database, or one connection to it."""

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement."""
        ...

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        """Return the first row."""
        ...

    async def fetchval(self, query: str, *args: object) -> Any:
        """Return the first column of the first row."""
        ...


class Connection(Protocol):
    """One connection, usually inside a transaction that the caller opened."""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109  as in asyncpg
        """Run a statement, with a limit of `timeout` seconds, or the default of the pool."""
        ...

    async def fetch(self, query: str, *args: object) -> list[Row]:
        """Return all rows."""
        ...

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        """Return the first row; None if there is none."""
        ...

    async def fetchval(self, query: str, *args: object) -> Any:
        """Return the first column of the first row."""
        ...


class _Session(asyncpg.Connection):
    def get_reset_query(self) -> str:
        # Our connections have no state, so the pool's reset at each release would be a wasted round trip.
        return ""

    async def reset(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109  asyncpg
        # So it waits for nothing, and needs no timer; a rollback has that of all statements.
        await super().reset()


class Database:
    """A pool of connections whose search path is one service's schema, and the keys of the secrets in it."""

    def __init__(self, pool: "asyncpg.Pool[Any]", url: str, schema: str, data_keys: DataKeys) -> None:
        self.pool, self.url, self.schema, self.data_keys = pool, url, schema, data_keys
        self.clock, self.background = DatabaseClock(), Background(lambda: self._connect("background"))

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        schema: str,
        *,
        size: int = 10,
        ring: Ring | None = None,
        custom_plans: bool = False,
        statement_timeout: float = STATEMENT_TIMEOUT,
    ) -> AsyncGenerator["Database"]:
        """Open a pool of at most `size` connections, which connects when first used and replaces broken connections.

        Secrets can be stored and read only with a `ring` of master keys. With `custom_plans`, each query is planned for
        its values: for filters of which some select few rows and others most of them. Statements fail after
        `statement_timeout` seconds.
        """
        settings = SESSION | ({"plan_cache_mode": "force_custom_plan"} if custom_plans else {})
        pool = asyncpg.create_pool(
            url,
            min_size=0,
            max_size=size,
            timeout=CONNECT_TIMEOUT,
            command_timeout=statement_timeout,
            max_inactive_connection_lifetime=IDLE_SECONDS,
            connection_class=_Session,
            init=_set_json_codecs,
            server_settings={"search_path": schema, "application_name": schema, **settings},
        )
        async with pool:
            database = cls(pool, url, schema, DataKeys(ring))
            try:
                yield database
            finally:
                database.background.close()

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """Borrow a connection from the pool.

        Raises:
            TimeoutError: none became free within 3 s.
        """
        async with self.pool.acquire(timeout=CONNECT_TIMEOUT) as connection:
            yield cast(Connection, connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        """Borrow a connection in a transaction: the end of the block commits, and an exception rolls back."""
        async with self.pool.acquire(timeout=CONNECT_TIMEOUT) as connection, connection.transaction():
            yield cast(Connection, connection)

    @asynccontextmanager
    async def advisory_lock(self, name: str, *, idle: float = 0) -> AsyncGenerator[Connection | None]:
        """Try to take an advisory lock; yield the connection that holds it, or None if another process has it.

        Whatever runs on that connection runs under the lock, and on the server that granted it. A process that hangs
        keeps its connections open, so the server ends this one, and with it the lock, after `idle` seconds without use
        (0: never).
        """
        connection = await self._connect(name, idle)
        try:
            yield cast(Connection, connection) if await connection.fetchval(LOCK, name) else None
        finally:
            connection.terminate()  # releases the lock as fast as a regular close, which may hang or fail

    async def _connect(self, name: str, idle: float = 0) -> "asyncpg.Connection[Any]":
        """Open a connection that is not of the pool; the server ends it after `idle` seconds without use (0: never)."""
        connection = await asyncpg.connect(
            self.url,
            timeout=CONNECT_TIMEOUT,
            command_timeout=STATEMENT_TIMEOUT,
            server_settings={
                "search_path": self.schema,
                "application_name": f"{self.schema} {name}",
                "idle_session_timeout": f"{idle * 1000:.0f}ms",
                **SESSION,
            },
        )
        try:
            await _set_json_codecs(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement."""
        async with self.connection() as connection:
            return await connection.execute(query, *args)

    async def fetch(self, query: str, *args: object) -> list[Row]:
        """Return all rows."""
        async with self.connection() as connection:
            return await connection.fetch(query, *args)

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        """Return the first row; None if there is none."""
        async with self.connection() as connection:
            return await connection.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: object) -> Any:
        """Return the first column of the first row."""
        async with self.connection() as connection:
            return await connection.fetchval(query, *args)

    async def now(self) -> datetime:
        """Return the present time by the clock of the database, which all replicas share."""
        asked_at = time.monotonic()
        at: datetime = await self.fetchval("SELECT clock_timestamp()")
        self.clock.note(at, asked_at)
        return at

    async def check(self) -> None:
        """Check that the database answers (a health check), and compare its clock. Raises what `fetchval` raises."""
        await self.now()


async def _set_json_codecs(connection: "asyncpg.Connection[Any]") -> None:
    # Not pydantic's parser, whose limit of 200 levels is below that of its writer: such a row could not be read again.
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=_to_text, decoder=json.loads)


def _to_text(value: object) -> str:
    # PostgreSQL cannot store NUL in text, but the output of a tool may contain it: use the replacement character.
    text = to_json(value).decode()
    return _NUL.sub(r"\1\\ufffd", text) if "\\u0000" in text else text
