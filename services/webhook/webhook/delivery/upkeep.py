"""Keeps the tables of deliveries bounded: removes what is old, and disables webhooks for which too much waits."""

import asyncio
import time
from uuid import UUID

from eventing.database import Database

from webhook.delivery.receivers import disable
from webhook.payloads import RETENTION
from webhook.publishing import NEW_DELIVERIES, stored

SECONDS, BUSY_SECONDS, REMOVAL_SECONDS = 10.0, 1.0, 300.0
"""Pause between two rounds; the same while there are new deliveries; between two rounds that remove rows."""
BATCH = 1000
MAX_BACKLOG = 100_000
"""Deliveries of a webhook that may wait. When there are more it is disabled; they are sent if it is activated again."""
MAX_ENDED = 10_000
"""Deliveries of a webhook that have ended and are kept, the newest ones."""
EXPIRED = """
    WITH removed AS (
        DELETE FROM payloads WHERE (event_id, version) IN (
            SELECT event_id, version FROM payloads WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)
        RETURNING 1)
    SELECT count(*) FROM removed"""
OLD = """
    WITH removed AS (
        DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE created_at < $1 LIMIT $2) RETURNING 1)
    SELECT count(*) FROM removed"""
OF_DELETED = """
    WITH removed AS (
        DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE webhook_id = $1 LIMIT $2) RETURNING 1)
    SELECT count(*) FROM removed"""
# Counted up to the limit, in the index of pending deliveries.
FULL = """
    SELECT w.id FROM webhooks AS w WHERE w.is_active AND EXISTS (
        SELECT FROM deliveries AS d WHERE d.webhook_id = w.id AND d.status = 'pending' OFFSET $1)"""
SURPLUS = """
    DELETE FROM deliveries AS d USING (
        SELECT w.id, last.number FROM webhooks AS w CROSS JOIN LATERAL (
            SELECT number FROM deliveries AS newer WHERE newer.webhook_id = w.id AND newer.status <> 'pending'
            ORDER BY number DESC OFFSET $1 LIMIT 1) AS last) AS surplus
    WHERE d.webhook_id = surplus.id AND d.number <= surplus.number AND d.status <> 'pending'"""


class Upkeep:
    """The upkeep, which several replicas may do at the same time."""

    def __init__(self, database: Database) -> None:
        self.database, self._removed_at = database, -REMOVAL_SECONDS

    async def run(self) -> None:
        """Do one round, and wait until the next one: soon, if there are new deliveries."""
        with stored.waiting(NEW_DELIVERIES) as waiter:
            await self.disable_full()
            if time.monotonic() - self._removed_at >= REMOVAL_SECONDS:
                await self.remove_old()
                self._removed_at = time.monotonic()
            await asyncio.sleep(BUSY_SECONDS)
            await waiter.wait(SECONDS - BUSY_SECONDS)

    async def disable_full(self) -> None:
        """Have webhooks disabled for which too many deliveries wait."""
        for row in await self.database.fetch(FULL, MAX_BACKLOG):
            async with self.database.transaction() as db:
                await disable(row["id"], "backlog_full", db)

    async def remove_old(self) -> None:
        """Remove payloads and deliveries that are old, and those of which a webhook has too many."""
        now = await self.database.now()
        await self._remove(EXPIRED, now)
        await self._remove(OLD, now - RETENTION)
        await self.database.execute(SURPLUS, MAX_ENDED)

    async def _remove(self, statement: str, *args: object) -> None:
        while await self.database.fetchval(statement, *args, BATCH) == BATCH:
            pass


async def remove_deliveries(webhook_id: UUID, database: Database) -> None:
    """Remove all deliveries of a webhook that was deleted."""
    while await database.fetchval(OF_DELETED, webhook_id, BATCH):
        pass
    await database.execute("DELETE FROM lanes WHERE webhook_id = $1", webhook_id)
