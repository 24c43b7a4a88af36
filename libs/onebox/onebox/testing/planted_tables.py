"""The search for secrets in the tables of a database."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import asyncpg

from onebox.testing.planted import MAX_SHOWN, PATTERN, revealed

_TIMEOUT = 60.0
_FILLED_TABLES = """
    SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND pg_relation_size(c.oid) > 0"""


COMPRESSED = 2000
"""The length from which PostgreSQL compresses a row: its files contain shorter ones as they are."""


def revealed_in_compressed_rows(url: str) -> list[str]:
    """Return what a search of the files would not find; nothing if the server does not answer, as after a fault."""

    async def search() -> list[str]:
        with suppress(OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError):
            return await revealed_in_tables(url, COMPRESSED)
        return []

    with ThreadPoolExecutor(1) as thread:  # the caller may have an event loop
        return thread.submit(lambda: asyncio.run(search())).result()


async def revealed_in_tables(url: str, min_length: int = 0) -> list[str]:
    """Return the tables of a database with a secret, each with the secret and what surrounds it.

    Args:
        url: the address of the database.
        min_length: search only rows whose text has at least this length.
    """
    # Binary columns are shown as text where they are text, such as the JSON of events.
    settings = {"bytea_output": "escape", "lock_timeout": "5s"}
    connection: asyncpg.Connection[Any] = await asyncpg.connect(
        url, timeout=_TIMEOUT, command_timeout=_TIMEOUT, server_settings=settings
    )
    try:
        names = [row[0] for row in await connection.fetch(_FILLED_TABLES)]
        rows = await connection.fetch(_search(names), PATTERN, min_length) if names else []
    finally:
        await connection.close()
    return [f"{name}: {revealed(row)[0]!r}" for name, row in rows]


def _search(tables: list[str]) -> str:
    parts = (
        f"SELECT '{name}' AS name, t::text AS row FROM {name} t WHERE length(t::text) >= $2 AND t::text ~ $1"  # noqa: S608
        for name in tables
    )
    return " UNION ALL ".join(parts) + f" LIMIT {MAX_SHOWN}"
