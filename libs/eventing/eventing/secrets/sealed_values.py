"""Secret values, stored sealed beside the events: no query returns them, and no published event contains them."""

# ruff: noqa: S608
# Tables and columns are constants of the services; values are always parameters.

import base64
import json
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from runtime.secrets.sealing import SecretUnreadable, seal, unseal

from eventing.database import Connection, Database
from eventing.database.data_keys import unwrap
from eventing.recording import Recorded


@dataclass(frozen=True)
class Secrets:
    """A table with one row per aggregate: its id in the primary key `owner`, its values by name in the column `values`.

    The column is `jsonb`: a string is the sealed values, an object is values in clear, which an earlier release stored.
    A projection writes it in the transaction that appends the event; a foreign key deletes a row with its owner.
    """

    table: str
    owner: str = "owner"
    values: str = "values"

    async def put(self, recorded: Recorded[Any], values: dict[str, str], connection: Connection) -> None:
        """Store the values of a recorded secret event, replacing all previous ones of its aggregate."""
        if recorded.data_key is None:
            raise SecretUnreadable(f"{recorded.event.subject} is not declared as secret, so it has no data key")
        await connection.execute(
            f"INSERT INTO {self.table} ({self.owner}, {self.values}) VALUES ($1, $2) "
            f"ON CONFLICT ({self.owner}) DO UPDATE SET {self.values} = excluded.{self.values}",
            recorded.id,
            self.sealed(recorded.id, values, recorded.data_key),
        )

    async def get(self, owner: UUID, database: Database) -> dict[str, str]:
        """Return the values of an aggregate; an empty dict if none are stored.

        Raises:
            SecretUnreadable: they cannot be unsealed.
        """
        found = await database.fetchrow(
            f"SELECT {self.values} AS found, key_id, wrapped FROM {self.table} "
            f"LEFT JOIN data_keys ON aggregate = {self.owner} WHERE {self.owner} = $1",
            owner,
        )
        if not found:
            return {}
        if isinstance(found["found"], dict):
            return cast(dict[str, str], found["found"])
        if found["key_id"] is None:
            raise SecretUnreadable(f"{self._place(owner)}: the data key is missing")
        key = unwrap(database.data_keys.ring, owner, found["key_id"], found["wrapped"])
        return json.loads(unseal(key, base64.b64decode(found["found"]), self._place(owner)))

    async def in_clear(self, limit: int, database: Database) -> list[UUID]:
        """Return the ids of aggregates whose values an earlier release stored in clear."""
        query = f"SELECT {self.owner} FROM {self.table} WHERE jsonb_typeof({self.values}) = 'object' LIMIT $1"
        return [row[self.owner] for row in await database.fetch(query, limit)]

    async def seal_row(self, owner: UUID, key: bytes, connection: Connection) -> None:
        """Seal the values of an aggregate if they are stored in clear."""
        where = f"WHERE {self.owner} = $1 AND jsonb_typeof({self.values}) = 'object'"
        values = await connection.fetchval(f"SELECT {self.values} FROM {self.table} {where} FOR UPDATE", owner)
        if values is not None:
            update = f"UPDATE {self.table} SET {self.values} = $2 {where}"
            await connection.execute(update, owner, self.sealed(owner, values, key))

    def sealed(self, owner: UUID, values: dict[str, str], key: bytes) -> str:
        """Return the values as the table stores them."""
        return base64.b64encode(seal(key, json.dumps(values).encode(), self._place(owner))).decode()

    def _place(self, owner: UUID) -> str:
        return f"{self.table} of {owner}"
