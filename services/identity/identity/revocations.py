"""Revoked token families, published to every gateway through a key-value bucket that the gateways watch.

The bus may lose the bucket, but the database still has the revocations. A separate entry marks the bucket as
complete, and gateways trust no bucket without it.
"""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

from contracts.wire import REVOCATIONS, REVOCATIONS_COMPLETE
from eventing.database import Database
from runtime import clock
from runtime.bus import Client
from runtime.key_value import Bucket, Entry

RETENTION = timedelta(hours=2)
"""Twice the lifetime of an access token: older revocations have no valid access token left to refuse."""
RENEWAL_INTERVAL = RETENTION / 4
"""The bucket drops every entry after `RETENTION`. The one that marks it as complete is renewed well before that."""
CHECK_INTERVAL_SECONDS = 1.0
"""Time until the loss of the bucket is noticed."""


class Revocations:
    """The writer of the bucket."""

    def __init__(self, client: Client, database: Database) -> None:
        self.client, self.database = client, database

    async def add(self, family_id: UUID, reason: str) -> None:
        """Publish that the tokens of a family are revoked."""
        await (await self._bucket()).put(str(family_id), reason.encode())

    async def refresh(self) -> None:
        """Refill the bucket if it was lost, renew its mark if that is old, and pause; to be called in a loop."""
        bucket = await self._bucket()
        entry = await bucket.get(REVOCATIONS_COMPLETE)
        if entry is None:
            await self.fill()
        elif clock.now() - _written_at(entry) > RENEWAL_INTERVAL:
            # Fails if the entry has changed: a new, still incomplete bucket must not get the mark of its predecessor.
            await bucket.update(REVOCATIONS_COMPLETE, _now(), entry)
        await asyncio.sleep(CHECK_INTERVAL_SECONDS)

    async def fill(self) -> None:
        """Write all revocations that still matter, and then mark the bucket as complete."""
        await self.database.execute("DELETE FROM revoked_families WHERE revoked_at < $1", clock.now() - RETENTION)
        # Families that expired have no valid access tokens left.
        revoked = await self.database.fetch("SELECT family_id, reason FROM revoked_families WHERE reason <> 'expired'")
        bucket = await self._bucket()
        for row in revoked:
            await bucket.put(str(row["family_id"]), row["reason"].encode())
        await bucket.put(REVOCATIONS_COMPLETE, _now())

    async def _bucket(self) -> Bucket:
        return await Bucket.ensure(self.client, REVOCATIONS, seconds=RETENTION.total_seconds())


def _now() -> bytes:
    return clock.now().isoformat().encode()


def _written_at(entry: Entry) -> datetime:
    return datetime.fromisoformat(entry.value.decode())
