"""Secret values, kept beside the events: no query answers them, and no published event holds them."""

# ruff: noqa: S608
# Tables and columns are constants of the services; values are always parameters.

from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from eventing.database import Connection


class Reader(Protocol):
    """What reading needs: a database, or a connection."""

    async def fetchval(self, query: str, *args: object) -> Any:
        """Give the first column of the first row."""
        ...


@dataclass(frozen=True)
class Secrets:
    """A table with one row an owner: its id in the primary key `owner`, its values by their names in `values`.

    A projection writes it, in the transaction that appends the event. Every value goes through `put` and `get`, so a
    table that is to be encrypted is encrypted here.
    """

    table: str
    owner: str = "owner"
    values: str = "values"

    async def put(self, owner: UUID, values: dict[str, str], connection: Connection) -> None:
        """Store the values of an owner, in place of those that were stored."""
        await connection.execute(
            f"INSERT INTO {self.table} ({self.owner}, {self.values}) VALUES ($1, $2) "
            f"ON CONFLICT ({self.owner}) DO UPDATE SET {self.values} = excluded.{self.values}",
            owner,
            values,
        )

    async def get(self, owner: UUID, reader: Reader) -> dict[str, str]:
        """Return the values of an owner; none if none are stored."""
        found = await reader.fetchval(f"SELECT {self.values} FROM {self.table} WHERE {self.owner} = $1", owner)
        return found or {}

    async def delete(self, owner: UUID, connection: Connection) -> None:
        """Forget the values of an owner; nothing happens if none are stored."""
        await connection.execute(f"DELETE FROM {self.table} WHERE {self.owner} = $1", owner)
