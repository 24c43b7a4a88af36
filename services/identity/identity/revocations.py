"""Revoked token families, told to every gateway through a key-value bucket that they watch.

The bus may lose the bucket; the database does not lose what it held. An entry of its own says that the bucket is
complete: gateways believe no bucket without it.
"""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

from contracts.wire import REVOCATIONS, REVOCATIONS_COMPLETE
from eventing.database import Database
from runtime import clock
from runtime.bus import Client
from runtime.key_value import Bucket, Entry

# Twice the life of an access token: after that there is nothing left to revoke.
LIFETIME = timedelta(hours=2)
RENEWED_AFTER = LIFETIME / 4
"""The entry that says that the bucket is complete goes as all others do, and is written anew long before."""
TICK = 1.0
"""Seconds after which a loss is noticed."""


class Revocations:
    """The bucket, written."""

    def __init__(self, client: Client, database: Database) -> None:
        self.client, self.database = client, database

    async def add(self, family_id: UUID, reason: str) -> None:
        """Tell that no token of the family is good any more."""
        await (await self._bucket()).put(str(family_id), reason.encode())

    async def keep(self) -> None:
        """Fill the bucket again when it was lost; to be run forever."""
        bucket = await self._bucket()
        entry = await bucket.get(REVOCATIONS_COMPLETE)
        if entry is None:
            await self.fill()
        elif clock.now() - _written(entry) > RENEWED_AFTER:
            await bucket.update(REVOCATIONS_COMPLETE, _now(), entry)  # not in a bucket that took its place
        await asyncio.sleep(TICK)

    async def fill(self) -> None:
        """Write all revocations that still matter, and then that they are all there."""
        await self.database.execute("DELETE FROM revoked_families WHERE revoked_at < $1", clock.now() - LIFETIME)
        # Families that expired have no access tokens left.
        revoked = await self.database.fetch("SELECT family_id, reason FROM revoked_families WHERE reason <> 'expired'")
        bucket = await self._bucket()
        for row in revoked:
            await bucket.put(str(row["family_id"]), row["reason"].encode())
        await bucket.put(REVOCATIONS_COMPLETE, _now())

    async def _bucket(self) -> Bucket:
        return await Bucket.ensure(self.client, REVOCATIONS, seconds=LIFETIME.total_seconds())


def _now() -> bytes:
    return clock.now().isoformat().encode()


def _written(entry: Entry) -> datetime:
    return datetime.fromisoformat(entry.value.decode())
