"""Revoked tokens and API keys, and changed roles, published to every gateway through a bucket that the gateways watch.

The bus may lose the bucket, but the database still has the revocations. A separate entry marks the bucket as
complete, and gateways trust no bucket without it.
"""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

from contracts.identity.values import Access
from contracts.wire import ACCESS_PREFIX, REVOCATIONS, REVOCATIONS_COMPLETE
from eventing.database import Database, Row
from runtime import clock
from runtime.bus import Client
from runtime.bus.key_value import Bucket, Entry

RETENTION = timedelta(hours=2)
"""Twice the lifetime of an access token: older revocations have no valid access token left to refuse."""
RENEWAL_INTERVAL = RETENTION / 4
"""The bucket drops every entry after `RETENTION`. The one that marks it as complete is renewed well before that."""
CHECK_INTERVAL_SECONDS = 1.0
"""Time until the loss of the bucket is noticed."""
ACCESS = "SELECT id, access_version, role, is_active FROM users "


class Revocations:
    """The writer of the bucket."""

    def __init__(self, client: Client, database: Database) -> None:
        self.client, self.database = client, database

    async def add(self, id: UUID, reason: str) -> None:
        """Publish that the tokens of a family, or an API key, are revoked."""
        await (await self._bucket()).put(str(id), reason.encode())

    async def publish_access(self, user_id: UUID) -> None:
        """Publish the role of a user, and whether the account is active.

        Raises:
            nats.errors.Error: another replica published it at the same time; try again.
        """
        if row := await self.database.fetchrow(ACCESS + "WHERE id = $1", user_id):
            await _put_access(row, await self._bucket())

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
        since = clock.now() - RETENTION
        await self.database.execute("DELETE FROM revoked_families WHERE revoked_at < $1", since)
        # Families that expired have no valid access tokens left.
        revoked = await self.database.fetch("SELECT family_id, reason FROM revoked_families WHERE reason <> 'expired'")
        bucket = await self._bucket()
        for row in revoked:
            await bucket.put(str(row["family_id"]), row["reason"].encode())
        for row in await self.database.fetch(ACCESS + "WHERE access_changed_at > $1", since):
            await _put_access(row, bucket)
        await bucket.put(REVOCATIONS_COMPLETE, _now())

    async def _bucket(self) -> Bucket:
        return await Bucket.ensure(self.client, REVOCATIONS, seconds=RETENTION.total_seconds())


async def _put_access(row: Row, bucket: Bucket) -> None:
    access = Access(version=row["access_version"], role=row["role"], is_active=row["is_active"])
    key = f"{ACCESS_PREFIX}{row['id']}"
    entry = await bucket.get(key)
    # A replica that was slow must not replace a later change by the one that it has read.
    if entry is None or Access.model_validate_json(entry.value).version < access.version:
        await bucket.update(key, access.model_dump_json().encode(), entry)


def _now() -> bytes:
    return clock.now().isoformat().encode()


def _written_at(entry: Entry) -> datetime:
    return datetime.fromisoformat(entry.value.decode())
