"""The search for secrets in the tables of a database."""

from typing import Any

import asyncpg

from onebox.testing.planted import MAX_SHOWN, PATTERN, revealed

_TIMEOUT = 60.0
_FILLED_TABLES = """
    SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND pg_relation_size(c.oid) > 0"""


async def revealed_in_tables(url: str) -> list[str]:
    """Return the tables of a database with a secret, each with the secret and what surrounds it."""
    # Binary columns are shown as text where they are text, such as the JSON of events.
    settings = {"bytea_output": "escape", "lock_timeout": "5s"}
    connection: asyncpg.Connection[Any] = await asyncpg.connect(url, command_timeout=_TIMEOUT, server_settings=settings)
    try:
        names = [row[0] for row in await connection.fetch(_FILLED_TABLES)]
        rows = await connection.fetch(_search(names), PATTERN) if names else []
    finally:
        await connection.close()
    return [f"{name}: {revealed(row)[0]!r}" for name, row in rows]


def _search(tables: list[str]) -> str:
    parts = (f"SELECT '{name}' AS name, t::text AS row FROM {name} t WHERE t::text ~ $1" for name in tables)  # noqa: S608
    return " UNION ALL ".join(parts) + f" LIMIT {MAX_SHOWN}"
