"""The search for secrets in the tables of a database."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import asyncpg

from onebox.testing.planted import MAX_SHOWN, revealed

_TIMEOUT = 60.0
_FIRST_OID = 16384
"""Objects with smaller numbers belong to the server."""
_FILLED_TABLES = f"""
    SELECT format('%s.%I', relnamespace::regnamespace, relname) FROM pg_class
    WHERE relkind = 'r' AND oid >= {_FIRST_OID} AND pg_relation_size(oid) > 0"""  # noqa: S608

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
        rows = await connection.fetch(_rows(names), min_length) if names else []
    finally:
        await connection.close()
    found = ((name, revealed(row)) for name, row in rows)
    return [f"{name}: {secrets[0]!r}" for name, secrets in found if secrets][:MAX_SHOWN]


def _rows(tables: list[str]) -> str:
    # Searched here: each connection of the server would have to compile the pattern first.
    parts = (
        f"SELECT '{name}' AS name, t::text AS row FROM {name} t WHERE length(t::text) >= $1"  # noqa: S608
        for name in tables
    )
    return " UNION ALL ".join(parts)
