"""Erases the events of deleted aggregates, in the table and on the bus, in the background of every replica.

It begins 24 hours after the deletion (`erasure_delay` in the database), when the relay has published the events, and
the services that follow them have projected them, such as into the audit log. It waits for these at most a week.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from contracts.wire import EVENT_PREFIX, event_stream
from nats.js.errors import NotFoundError
from runtime.bus import ordered
from runtime.bus.jetstream import JetStream
from runtime.logging import get_logger

from eventing.bus import public_stream, wire
from eventing.database import Database, Row
from eventing.store import END, Cursor

type Projected = Callable[[], Awaitable[Cursor]]

BATCH_SIZE = 100
INTERVAL_SECONDS = 600.0
"""How often to look for aggregates whose time has come."""
MAX_HOLD = timedelta(days=6)
"""How long events that are due wait for other services to project them."""

DUE = """
    SELECT e.aggregate, e.deletion FROM erasures AS e
    CROSS JOIN LATERAL (
        SELECT tx, position FROM events WHERE originator_id = e.aggregate ORDER BY originator_version DESC LIMIT 1
    ) AS newest
    JOIN relayed AS r ON (newest.tx, newest.position) <= (r.tx, r.position)
    WHERE e.erased_at IS NULL AND e.due_at <= now() AND e.aggregate <> ALL ($1)
        AND ((newest.tx, newest.position) <= ($3::text::xid8, $4::bigint) OR e.due_at <= now() - $5::interval)
    ORDER BY e.due_at LIMIT $2"""
WAITING = "SELECT count(*) FROM erasures WHERE erased_at IS NULL AND due_at <= now() AND aggregate <> ALL ($1)"

log = get_logger()


class Erasure:
    """The erasure of the deleted aggregates of one service. Every step is safe to repeat.

    `projected` returns the cursor up to which other services have projected the events; None: there are none.
    """

    def __init__(self, database: Database, js: JetStream, service: str, projected: Projected | None = None) -> None:
        self.database, self.js, self.service, self.stream = database, js, service, event_stream(service)
        self.projected = projected

    async def run(self) -> None:
        """Erase all that is due, then wait for the next time; to be run in a loop."""
        if count := await self.erase_all():
            log.info("deleted aggregates erased", aggregates=count)
        await asyncio.sleep(INTERVAL_SECONDS)

    async def erase_all(self) -> int:
        """Erase all aggregates that are due, unless another replica does; return their number.

        Those that fail are logged, and left for the next time. So are all others while the bus is unavailable.

        Raises:
            nats.errors.Error: the bus is unavailable.
        """
        async with self.database.advisory_lock(f"erasure:{self.service}") as connection:
            # Asked on that connection, which is closed afterwards: for an array, the driver asks for its type.
            if not connection or not await connection.fetchval(WAITING, list[UUID]()):
                return 0
            return await self._erase_due()

    async def _erase_due(self) -> int:
        failed, count = list[UUID](), 0
        tx, position = await self.projected() if self.projected else END
        while rows := await self.database.fetch(DUE, failed, BATCH_SIZE, str(tx), position, MAX_HOLD):
            for row in rows:
                try:
                    await self._erase(row)
                    count += 1
                except Exception:
                    log.exception("a deleted aggregate could not be erased", aggregate=str(row["aggregate"]))
                    failed.append(row["aggregate"])
                    await self.js.stream_info(self.stream)  # without the bus, each of the others would time out too
        if waiting := await self.database.fetchval(WAITING, failed):
            log.warning("deleted aggregates are not erased until all services have projected them", aggregates=waiting)
        return count

    async def _erase(self, row: Row) -> None:
        id, deletion = row["aggregate"], row["deletion"]
        while not await self.database.fetchval("SELECT erase_events($1)", id):
            pass
        await self.delete_messages(id, deletion)
        await public_stream.erase(self.js, id)
        await self.database.execute("SELECT complete_erasure($1)", id)

    async def delete_messages(self, id: UUID, deletion: int) -> None:
        """Delete the messages of an aggregate, except that of its deletion, and the last message of the stream."""
        sequences = await self._messages(id, deletion)
        # The last message is the cursor of the relay.
        last = (await self.js.stream_info(self.stream)).state.last_seq
        for sequence in sequences:
            if sequence != last:
                with suppress(NotFoundError):  # the stream has dropped it meanwhile
                    await self.js.delete_msg(self.stream, sequence)

    async def _messages(self, id: UUID, deletion: int) -> list[int]:
        """Return the sequence numbers of the messages of an aggregate, except that of its deletion."""

        def is_of_aggregate(headers: dict[str, Any]) -> bool:
            key = wire.event_key(headers)
            return key[0] == id and key[1] != deletion

        subject = f"{EVENT_PREFIX}.{self.service}.*.*.{id}"
        reading = ordered.messages(self.js, self.stream, 0, subject, stored=True, headers_only=True)
        async with aclosing(reading) as batches:
            return [
                message.metadata.sequence.stream
                async for batch in batches
                for message in batch
                if is_of_aggregate(message.headers or {})
            ]
