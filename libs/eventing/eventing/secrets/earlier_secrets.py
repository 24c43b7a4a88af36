"""Seals the secrets that earlier releases stored in clear, in the background of every replica."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from runtime.logging import get_logger
from runtime.secrets.sealing import seal

from eventing.database import Row, data_keys
from eventing.recording import event_place
from eventing.secrets.sealed_values import Secrets
from eventing.store import AnyAggregate, snapshots
from eventing.store.postgres import PostgresStore

BATCH_SIZE = 100
INTERVAL_SECONDS = 600.0
"""How often to look again: during an upgrade, replicas of the earlier release still store secrets in clear."""

# The condition of the index `events_in_clear`. Later kinds of secret events were never stored in clear.
FIND = """
    SELECT originator_id, originator_version, topic, state FROM events WHERE topic IN (
    'evt.session.environment_set;1', 'evt.task_scheduler.environment_set;1', 'evt.task_scheduler.trigger_secrets_set;1')
"""
SEAL = "SELECT seal_event($1, $2, $3)"  # the role of the service may not change an event in any other way

log = get_logger()


class EarlierSecrets:
    """The secrets of one service that are stored in clear."""

    def __init__(
        self, store: PostgresStore, aggregates: Sequence[type[AnyAggregate]], tables: Sequence[Secrets]
    ) -> None:
        self.store, self.database, self.tables = store, store.database, tables
        self.kinds = {subject: kind for kind in aggregates for subject, event in kind.events.items() if event.secret}

    async def run(self) -> None:
        """Seal everything, then wait for the next time; to be run in a loop."""
        if count := await self.seal_all():
            log.info("secrets of an earlier release sealed", aggregates=count)
        await asyncio.sleep(INTERVAL_SECONDS)

    async def seal_all(self) -> int:
        """Seal all secrets that are stored in clear, one transaction per aggregate; return the number of aggregates.

        Replicas may do this concurrently.
        """
        done = set[UUID]()
        while ids := await self._next() - done:
            for id in ids:
                await self._seal(id)
            done |= ids
        return len(done)

    async def _next(self) -> set[UUID]:
        rows = await self.database.fetch(f"{FIND} LIMIT $1", BATCH_SIZE)
        found = {row["originator_id"] for row in rows}
        for table in self.tables:
            found.update(await table.in_clear(BATCH_SIZE, self.database))
        return found

    async def _seal(self, id: UUID) -> None:
        async with self.database.transaction() as connection:
            # So that the aggregate is not deleted, and its secrets are not sealed, meanwhile.
            await connection.execute(snapshots.LOCK, str(id))
            rows = await connection.fetch(f"{FIND} AND originator_id = $1", id)
            key = await self.database.data_keys.get_or_create(id, connection)
            if key and await self._is_deleted(rows):
                await data_keys.erase(id, connection)
                key = None
            for row in rows:
                place = event_place(id, row["originator_version"], row["topic"])
                state = seal(key, row["state"], place) if key else b""
                await connection.execute(SEAL, id, row["originator_version"], state)
            if key:  # otherwise its rows were deleted with it
                for table in self.tables:
                    await table.seal_row(id, key, connection)

    async def _is_deleted(self, rows: Sequence[Row]) -> bool:
        if not rows:
            return False
        kind = self.kinds[rows[0]["topic"].partition(";")[0]]
        return (await self.store.load(kind, rows[0]["originator_id"])).deleted
