"""Secret values, stored beside the events: no query returns them, and no published event contains them."""

# ruff: noqa: S608
# Tables and columns are constants of the services; values are always parameters.

from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from eventing.database import Connection


class Reader(Protocol):
    """A database, or one connection to it."""

    async def fetchval(self, query: str, *args: object) -> Any:
        """Return the first column of the first row."""
        ...


@dataclass(frozen=True)
class Secrets:
    """A table with one row per owner: its id in the primary key `owner`, its values by name in the column `values`.

    A projection writes it in the transaction that appends the event; a foreign key deletes a row with its owner. Every
    value passes through `put` and `get`, which is where a table would be encrypted.
    """

    table: str
    owner: str = "owner"
    values: str = "values"

    async def put(self, owner: UUID, values: dict[str, str], connection: Connection) -> None:
        """Store the values of an owner, replacing all previous ones."""
        await connection.execute(
            f"INSERT INTO {self.table} ({self.owner}, {self.values}) VALUES ($1, $2) "
            f"ON CONFLICT ({self.owner}) DO UPDATE SET {self.values} = excluded.{self.values}",
            owner,
            values,
        )

    async def get(self, owner: UUID, reader: Reader) -> dict[str, str]:
        """Return the values of an owner; an empty dict if none are stored."""
        found = await reader.fetchval(f"SELECT {self.values} FROM {self.table} WHERE {self.owner} = $1", owner)
        return found or {}
