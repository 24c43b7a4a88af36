"""Revoked token families, told to every gateway through a key-value bucket that they watch.

The bus may lose the bucket; the database does not lose what it held. An entry of its own says that the bucket is
complete: gateways believe no bucket without it.
"""

# pyright: reportUnknownMemberType=false
# nats-py leaves the keyword parameters of its methods without types.

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

from eventing.database import Database
from nats.js import JetStreamContext
from nats.js.api import KeyValueConfig
from nats.js.errors import BucketNotFoundError, KeyNotFoundError
from nats.js.kv import KeyValue
from runtime import clock

BUCKET = "REVOCATIONS"
# Twice the life of an access token: after that there is nothing left to revoke.
LIFETIME = timedelta(hours=2)
COMPLETE = "complete"
"""The entry that says that all revocations are there. It goes as they do, and is written anew long before."""
RENEWED_AFTER = LIFETIME / 4
TICK = 1.0
"""Seconds after which a loss is noticed."""


class Revocations:
    """The bucket, written."""

    def __init__(self, js: JetStreamContext, database: Database) -> None:
        self.js, self.database = js, database

    async def add(self, family_id: UUID, reason: str) -> None:
        """Tell that no token of the family is good any more."""
        await (await self._bucket()).put(str(family_id), reason.encode())

    async def keep(self) -> None:
        """Fill the bucket again when it was lost; to be run forever."""
        bucket = await self._bucket()
        try:
            entry = await bucket.get(COMPLETE)
        except KeyNotFoundError:
            await self.fill()
        else:
            if clock.now() - _written(entry) > RENEWED_AFTER:
                await bucket.update(COMPLETE, _now(), entry.revision)  # not in a bucket that took its place
        await asyncio.sleep(TICK)

    async def fill(self) -> None:
        """Write all revocations that still matter, and then that they are all there."""
        await self.database.execute("DELETE FROM revoked_families WHERE revoked_at < $1", clock.now() - LIFETIME)
        # Families that expired have no access tokens left.
        revoked = await self.database.fetch("SELECT family_id, reason FROM revoked_families WHERE reason <> 'expired'")
        bucket = await self._bucket()
        for row in revoked:
            await bucket.put(str(row["family_id"]), row["reason"].encode())
        await bucket.put(COMPLETE, _now())

    async def _bucket(self) -> KeyValue:
        try:
            return await self.js.key_value(BUCKET)
        except BucketNotFoundError:
            config = KeyValueConfig(bucket=BUCKET, ttl=LIFETIME.total_seconds(), history=1)
            return await self.js.create_key_value(config)


def _now() -> bytes:
    return clock.now().isoformat().encode()


def _written(entry: KeyValue.Entry) -> datetime:
    return datetime.fromisoformat((entry.value or b"").decode())
