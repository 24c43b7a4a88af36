"""Databases that tests use one after the other. Each test gets one as it was when it was copied from its template.

To create a database, to connect to it and to drop it takes six times as long as to remove what a test has written.
"""

import asyncio
from collections import defaultdict
from contextlib import suppress
from typing import Any, Self

import asyncpg

from onebox.testing.planted import MAX_SHOWN, revealed

_TIMEOUT = 60.0
_MAX_USES, _MAX_ROWS = 50, 1000
"""Then a new copy costs less: rows that were deleted remain in the files."""
_PATIENCE = (0.001, 0.002, 0.005, 0.01, 0.05)
"""Pauses in which the connections of a test may end."""
_FIRST_OID = 16384
"""Objects with smaller numbers belong to the server."""
_TABLES = f"""
    SELECT format('%s.%I', relnamespace::regnamespace, relname) FROM pg_class
    WHERE relkind = 'r' AND oid >= {_FIRST_OID} AND relpersistence <> 't' ORDER BY 1"""  # noqa: S608
_SEQUENCES = f"""
    SELECT s.seqrelid::regclass::text AS name, s.seqstart AS first, pg_sequence_last_value(s.seqrelid) AS last
    FROM pg_sequence s WHERE s.seqrelid >= {_FIRST_OID}"""  # noqa: S608
_KEYS = {
    **dict.fromkeys(("class", "proc", "trigger", "constraint", "type", "rewrite", "policy"), "oid"),
    "attribute": "attrelid",
    "index": "indexrelid",
}
_CATALOGS = {
    **{name: f"{key} >= {_FIRST_OID}" for name, key in _KEYS.items()},
    **dict.fromkeys(("namespace", "default_acl", "db_role_setting"), "true"),
}
_SHAPE = "SELECT " + ", ".join(  # noqa: S608
    f"(SELECT (count(*), max(xmin::text::bigint))::text FROM pg_{name} WHERE {condition})"  # noqa: S608
    for name, condition in _CATALOGS.items()
)
_OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


class ReusableDatabase:
    """A copy of a template, and a connection to it as its owner."""

    def __init__(self, name: str, connection: "asyncpg.Connection[Any]") -> None:
        self.name = name
        self._connection = connection
        self._uses = 0

    @classmethod
    async def opened(cls, name: str, url: str) -> Self:
        """Connect to a database that is as a test shall find it."""
        # Binary columns are shown as text where they are text, such as the JSON of events.
        settings = {"bytea_output": "escape", "lock_timeout": "1s", "session_replication_role": "replica"}
        connection: asyncpg.Connection[Any] = await asyncpg.connect(
            url, timeout=_TIMEOUT, command_timeout=_TIMEOUT, server_settings=settings
        )
        database = cls(name, connection)
        await database._remember()
        return database

    async def _remember(self) -> None:
        read = self._connection.fetch
        self._tables = [row[0] for row in await read(_TABLES)]
        self._sequences = {name: (last or first, last is not None) for name, first, last in await read(_SEQUENCES)}
        parts = (f"SELECT '{name}', t::text FROM {name} t" for name in self._tables)  # noqa: S608
        self._rows_of_all = await self._connection.prepare(" UNION ALL ".join(parts) or "SELECT '', '' WHERE false")
        self._shape_of_all = await self._connection.prepare(_SHAPE)
        self._first_rows, self._first_shape = await self._rows(), await self._shape()

    async def _rows(self) -> dict[str, list[str]]:
        rows = defaultdict[str, list[str]](list)
        for name, row in await self._rows_of_all.fetch():
            rows[name].append(row)
        return rows

    async def _shape(self) -> tuple[Any, ...]:
        return tuple(await self._shape_of_all.fetchrow() or ())

    async def is_unchanged(self) -> bool:
        """Return whether the tables, functions and privileges are as they were, and nobody else is connected."""
        for pause in _PATIENCE:
            if not await self._connection.fetchval(_OTHERS):
                return await self._shape() == self._first_shape
            await asyncio.sleep(pause)
        return False

    async def secrets(self) -> list[str]:
        """Return the tables with a secret, each with the secret and what surrounds it."""
        self._last_rows = await self._rows()
        texts = ((name, revealed("\n".join(rows))) for name, rows in self._last_rows.items())
        return [f"{name}: {found[0]!r}" for name, found in texts if found][:MAX_SHOWN]

    async def restored(self) -> bool:
        """Restore the rows that `secrets` has read as they were at first; return False if a new copy costs less."""
        self._uses += 1
        first, last = self._first_rows, self._last_rows
        if self._uses >= _MAX_USES or sum(map(len, last.values())) >= _MAX_ROWS:
            return False
        changed = [name for name in {*first, *last} if sorted(first.get(name, ())) != sorted(last.get(name, ()))]
        with suppress(asyncpg.PostgresError, OSError):
            await self._restore(changed)
            return True
        return False

    async def _restore(self, changed: list[str]) -> None:
        statements = [f"DELETE FROM {name}" for name in changed]  # noqa: S608
        statements += [f"SELECT setval('{name}', {value}, {used})" for name, (value, used) in self._sequences.items()]
        async with self._connection.transaction():
            await self._connection.execute("; ".join(statements))
            for name in changed:
                insert = f"INSERT INTO {name} OVERRIDING SYSTEM VALUE SELECT ($1::text::{name}).*"
                for row in self._first_rows.get(name, ()):
                    await self._connection.execute(insert, row)

    async def close(self) -> None:
        """Disconnect."""
        await self._connection.close()
