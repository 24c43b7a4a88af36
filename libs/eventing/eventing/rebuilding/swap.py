"""Puts new tables in place of the live ones, in the transaction of the caller.

A table takes its indexes, constraints and sequences with it, and gets the privileges of the other one. What refers to
the table itself has to be created again: foreign keys from and to other tables, views, and triggers, which use the
functions of their own schema.
"""

# ruff: noqa: S608
# Schemas, tables and columns are constants of the services; values are always parameters.

import asyncpg

from eventing.database import Connection, Database, Row
from eventing.rebuilding.lanes import TIMEOUT
from eventing.rebuilding.shadow import Shadow

# Between a table of the read model and another one. Those between two such tables move with them.
FOREIGN_KEYS = """
    SELECT r.relname AS table_name, o.relname AS target, c.conname AS name, pg_get_constraintdef(c.oid) AS definition
    FROM pg_constraint AS c JOIN pg_class AS r ON r.oid = c.conrelid JOIN pg_class AS o ON o.oid = c.confrelid
    WHERE c.contype = 'f' AND c.connamespace = $1::regnamespace
        AND (r.relname = ANY($2)) <> (o.relname = ANY($2))"""
TRIGGERS = """
    SELECT c.relname AS table_name, t.tgname AS name, pg_get_triggerdef(t.oid, true) AS definition
    FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
    WHERE c.relnamespace = $1::regnamespace AND c.relname = ANY($2) AND NOT t.tgisinternal ORDER BY t.tgname"""
PRIVILEGES = """
    SELECT c.relname AS table_name, coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC') AS role,
        a.privilege_type AS privilege
    FROM pg_class AS c CROSS JOIN aclexplode(c.relacl) AS a
    WHERE c.relnamespace = $1::regnamespace AND c.relname = ANY($2)"""
VIEWS = "SELECT viewname AS name, definition FROM pg_views WHERE schemaname = $1"
NOT_VALID = """
    SELECT r.relname AS table_name, c.conname AS name FROM pg_constraint AS c JOIN pg_class AS r ON r.oid = c.conrelid
    WHERE c.contype = 'f' AND c.connamespace = $1::regnamespace AND NOT c.convalidated"""


class Swap:
    """The swap of the tables of a read model, on a connection of their owner, in a transaction."""

    def __init__(self, shadow: Shadow, connection: Connection) -> None:
        self.shadow, self.connection = shadow, connection
        self.live, self.new, self.tables = shadow.live, shadow.schema, list(shadow.model.tables)

    async def stop_writes(self) -> None:
        """Wait until nobody writes the live tables, and let nobody write them until the transaction ends.

        Raises:
            asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError: they are in use for too long.
        """
        keys = await self._catalog(FOREIGN_KEYS)
        others = {name for row in keys for name in (row["table_name"], row["target"])} - {*self.tables}
        tables = ", ".join(f"{self.live}.{table}" for table in [*self.tables, *sorted(others)])
        await self.connection.execute("SET LOCAL lock_timeout = '2s'")
        # First, so that no append is in progress that holds some of the other locks.
        await self.connection.execute(f"LOCK TABLE {self.live}.migrations, {self.live}.events IN SHARE MODE")
        await self.connection.execute(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE")

    async def use_live(self) -> None:
        """Let names mean the live tables again."""
        await self.connection.execute(f"SET LOCAL search_path = {self.live}")

    async def same_migrations(self) -> bool:
        """Return whether both schemas have the same migrations."""
        live, new = (f"SELECT name, sha256 FROM {schema}.migrations" for schema in (self.live, self.new))
        return await self.connection.fetchval(f"SELECT NOT EXISTS (({live} EXCEPT {new}) UNION ({new} EXCEPT {live}))")

    async def exchange(self) -> None:
        """Put the new tables in place of the live ones, and remove these."""
        await self.use_live()
        keys, triggers = await self._catalog(FOREIGN_KEYS), await self._catalog(TRIGGERS)
        views = await self.connection.fetch(VIEWS, self.live)
        await self._continue_numbers()
        await self._grant()
        await self.connection.execute(f"CREATE SCHEMA {self.shadow.old}")
        for table in self.tables:
            await self.connection.execute(f"ALTER TABLE {self.live}.{table} SET SCHEMA {self.shadow.old}")
            await self.connection.execute(f"ALTER TABLE {self.new}.{table} SET SCHEMA {self.live}")
        for row in triggers:
            await self.connection.execute(f'DROP TRIGGER IF EXISTS "{row["name"]}" ON {row["table_name"]}')
            await self.connection.execute(row["definition"])
        for row in views:
            await self.connection.execute(f"CREATE OR REPLACE VIEW {row['name']} AS {row['definition']}")
        for row in keys:
            await self.connection.execute(
                f'ALTER TABLE {row["table_name"]} DROP CONSTRAINT "{row["name"]}", '
                f'ADD CONSTRAINT "{row["name"]}" {row["definition"].removesuffix(" NOT VALID")} NOT VALID'
            )
        await self.connection.execute(f"DROP SCHEMA {self.shadow.old} CASCADE", timeout=TIMEOUT)

    async def _grant(self) -> None:
        for row in await self._catalog(PRIVILEGES):
            await self.connection.execute(
                f"GRANT {row['privilege']} ON {self.new}.{row['table_name']} TO {row['role']}"
            )

    async def _continue_numbers(self) -> None:
        """Let the columns that the database numbers continue behind those of both tables."""
        for table, column in await self.shadow.identities(self.connection):
            new, live = [
                await self.connection.fetchval("SELECT pg_get_serial_sequence($1, $2)", f"{schema}.{table}", column)
                for schema in (self.new, self.live)
            ]
            await self.connection.execute(
                f"SELECT setval('{new}', greatest((SELECT last_value FROM {new}), (SELECT last_value FROM {live})))"
            )
            await self.connection.execute(f"ALTER TABLE {self.new}.{table} ALTER {column} SET GENERATED ALWAYS")

    async def _catalog(self, query: str) -> list[Row]:
        return await self.connection.fetch(query, self.live, self.tables)


async def check_foreign_keys(database: Database, schema: str) -> list[str]:
    """Check the rows of foreign keys that swaps have created, blocking nobody, and return those that are violated."""
    violated = list[str]()
    for row in await database.fetch(NOT_VALID, schema):
        async with database.connection() as connection:
            try:
                await connection.execute(
                    f'ALTER TABLE {schema}.{row["table_name"]} VALIDATE CONSTRAINT "{row["name"]}"', timeout=TIMEOUT
                )
            except asyncpg.ForeignKeyViolationError as error:
                violated.append(f"{row['table_name']}: {error.detail}")
    return violated
