"""Counts that are maintained when rows are written, so that reading a count does not read the rows."""

# ruff: noqa: S608
# Tables and columns are constants of the services; values are always parameters.

from dataclasses import dataclass
from typing import Any

from eventing.database import Connection, Database


@dataclass(frozen=True)
class Counters:
    """A table with the columns `key`, `slot` and `n`: the count of a key is the sum over its shards.

    Rows of another table are counted by the SQL function `count_rows` (`migrations/0005_counters.sql`), which creates
    the table. A projection counts what is not a row, such as how often something was used, with `add`.
    """

    table: str
    key: str

    async def add(self, key: object, connection: Connection) -> None:
        """Add one to the count of a key, in a shard that no other transaction writes to."""
        await connection.execute(
            f"INSERT INTO {self.table} AS c ({self.key}, slot, n) VALUES ($1, counter_slot('{self.table}'), 1) "
            f"ON CONFLICT ({self.key}, slot) DO UPDATE SET n = c.n + 1",
            key,
        )

    async def remove(self, key: object, connection: Connection) -> None:
        """Delete the count of a key."""
        await connection.execute(f"DELETE FROM {self.table} WHERE {self.key} = $1", key)

    async def all(self, database: Database) -> dict[Any, int]:
        """Return the count of each key, including keys whose count has returned to 0."""
        rows = await database.fetch(f"SELECT {self.key}, sum(n)::bigint AS n FROM {self.table} GROUP BY {self.key}")
        return {row[self.key]: row["n"] for row in rows}

    def count_of(self, key: str) -> str:
        """Return the SQL expression for the count of a key, which is itself an SQL expression."""
        return f"(SELECT coalesce(sum(n), 0)::bigint FROM {self.table} WHERE {self.table}.{self.key} = {key})"
