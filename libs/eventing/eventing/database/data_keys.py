"""The data keys of aggregates: created with the first secret, wrapped by a master key, erased with the aggregate."""

from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID

from runtime.secrets.key_ring import KeyRing, Ring
from runtime.secrets.sealing import SecretUnreadable, new_key
from runtime.starting import CannotStart

if TYPE_CHECKING:
    from eventing.database import Connection, Database

BATCH_SIZE = 500

READ = "SELECT aggregate, key_id, wrapped FROM data_keys WHERE aggregate = ANY($1)"
INSERT = "INSERT INTO data_keys (aggregate, key_id, wrapped) SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[])"
ERASE = "UPDATE data_keys SET key_id = NULL, wrapped = NULL WHERE aggregate = $1"
ONE_OF_EACH = """
    SELECT DISTINCT ON (key_id) key_id, aggregate, wrapped FROM data_keys WHERE key_id IS NOT NULL ORDER BY key_id"""
WRAPPED_BY_OTHERS = """
    SELECT aggregate, key_id, wrapped FROM data_keys WHERE key_id <> $1 LIMIT $2 FOR UPDATE SKIP LOCKED"""
COUNT = "SELECT key_id, count(*) AS n FROM data_keys WHERE key_id IS NOT NULL GROUP BY key_id"
REWRAP = """
    UPDATE data_keys AS k SET key_id = $1, wrapped = new.wrapped
    FROM unnest($2::uuid[], $3::bytea[]) AS new (aggregate, wrapped) WHERE k.aggregate = new.aggregate"""


def wrap(ring: KeyRing, aggregate: UUID, data_key: bytes) -> tuple[str, bytes]:
    """Return a data key wrapped by the newest master key, and the id of that key."""
    return ring.seal(data_key, _place(aggregate))


def unwrap(ring: KeyRing, aggregate: UUID, key_id: str, wrapped: bytes) -> bytes:
    """Return a data key.

    Raises:
        SecretUnreadable: the ring has no such master key, or another one with this id.
    """
    return ring.unseal(key_id, wrapped, _place(aggregate))


def _place(aggregate: UUID) -> str:
    return f"data key of {aggregate}"


class DataKeys:
    """The data keys of one service. Unwrapped keys are not cached, so erasing one takes effect in all replicas.

    They are needed only when a secret is stored, and when an aggregate with secrets is not in memory.
    """

    def __init__(self, ring: Ring | None) -> None:
        self._ring = ring

    @property
    def ring(self) -> KeyRing:
        """The ring of master keys.

        Raises:
            SecretUnreadable: this database was opened without one.
        """
        if self._ring is None:
            raise SecretUnreadable("secrets cannot be stored or read without a ring of master keys")
        return self._ring()

    async def get(self, aggregates: Iterable[UUID], reader: "Database | Connection") -> dict[UUID, bytes | None]:
        """Return the data keys of those aggregates that have one; None for a key that was erased.

        Raises:
            SecretUnreadable: a key cannot be unwrapped.
        """
        rows, ring = await reader.fetch(READ, [*aggregates]), self.ring
        return {
            row["aggregate"]: unwrap(ring, row["aggregate"], row["key_id"], row["wrapped"]) if row["key_id"] else None
            for row in rows
        }

    async def insert(self, keys: dict[UUID, bytes], connection: "Connection", *, on_conflict: str = "") -> None:
        """Store new data keys."""
        if not keys:
            return
        ring = self.ring
        wrapped = [wrap(ring, aggregate, key) for aggregate, key in keys.items()]
        await connection.execute(INSERT + on_conflict, [*keys], [id for id, _ in wrapped], [key for _, key in wrapped])

    async def get_or_create(self, aggregate: UUID, connection: "Connection") -> bytes | None:
        """Return the data key of an aggregate, which is created if there is none; None if it was erased."""
        await self.insert({aggregate: new_key()}, connection, on_conflict=" ON CONFLICT DO NOTHING")
        return (await self.get([aggregate], connection))[aggregate]

    async def check(self, database: "Database") -> None:
        """Check that the ring has all master keys that data keys are wrapped by.

        Raises:
            CannotStart: a master key is missing, or is another one than its id says.
        """
        for row in await database.fetch(ONE_OF_EACH):
            try:
                unwrap(self.ring, row["aggregate"], row["key_id"], row["wrapped"])
            except SecretUnreadable as error:
                raise CannotStart(
                    f"SECRETS_KEY_FILE or SECRETS_KEYS: stored secrets need the master key {row['key_id']!r}, which is "
                    f"missing or wrong ({error}). Add it to the ring (docs/runbooks/keys.md)."
                ) from None

    async def rotate(self, database: "Database") -> int:
        """Wrap all data keys by the newest master key, in batches; return how many were wrapped by another one.

        Raises:
            SecretUnreadable: a key cannot be unwrapped; the earlier batches are done.
        """
        count = 0
        while batch := await self._rotate_batch(database):
            count += batch
        return count

    async def count_by_master_key(self, database: "Database") -> dict[str, int]:
        """Return the number of data keys that each master key wraps, by its id."""
        return {row["key_id"]: row["n"] for row in await database.fetch(COUNT)}

    async def _rotate_batch(self, database: "Database") -> int:
        ring = self.ring
        async with database.transaction() as connection:
            rows = await connection.fetch(WRAPPED_BY_OTHERS, ring.newest, BATCH_SIZE)
            ids = [row["aggregate"] for row in rows]
            plain = [unwrap(ring, row["aggregate"], row["key_id"], row["wrapped"]) for row in rows]
            wrapped = [wrap(ring, id, key)[1] for id, key in zip(ids, plain, strict=True)]
            await connection.execute(REWRAP, ring.newest, ids, wrapped)
        return len(rows)


async def erase(aggregate: UUID, connection: "Connection") -> None:
    """Erase the data key of an aggregate, in the transaction that deletes the aggregate."""
    await connection.execute(ERASE, aggregate)
