"""Whether events start tasks at all: most do not, so this is read for many events at once."""

import asyncio
import time
from dataclasses import dataclass, field
from uuid import UUID

from eventing.database import Database

INTERVAL_SECONDS = 0.05
"""Seconds from one read to the next. An event waits for so long at most; after a pause it does not wait."""
FIND = """
    SELECT user_id, event FROM unnest($1::uuid[], $2::text[]) AS asked (user_id, event)
    WHERE EXISTS (
        SELECT FROM event_starts AS start
        WHERE start.user_id = asked.user_id AND start.event = asked.event AND isfinite(start.since))"""

type Pair = tuple[UUID, str]
"""A user, and the name of an event."""


@dataclass
class _Read:
    """One read: what it is asked, and what it has found, or why it failed."""

    asked: set[Pair] = field(default_factory=set[Pair])
    found: set[Pair] | None = None
    error: Exception | None = None


class EventStarts:
    """Reads for which events tasks exist.

    Nothing is kept between two reads, and each begins after it was asked. So a task counts as soon as it is stored,
    whichever replica has stored it.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._next, self._turn, self._read_at = _Read(), asyncio.Lock(), 0.0

    async def has(self, user_id: UUID, event: str) -> bool:
        """Return whether the user has tasks that start on such events, and are not paused. Raises as `fetch` does."""
        read, pair = self._next, (user_id, event)
        read.asked.add(pair)
        async with self._turn:
            # Another event may have read for this one. If it was cancelled instead, it has left that to this one.
            if read.found is None and read.error is None:
                await self._run(read)
        if read.error:
            raise read.error.with_traceback(None)  # which would grow with each that raises it
        return read.found is not None and pair in read.found

    async def _run(self, read: _Read) -> None:
        await asyncio.sleep(self._read_at + INTERVAL_SECONDS - time.monotonic())
        if self._next is read:
            self._next = _Read()
        self._read_at = time.monotonic()
        try:
            rows = await self.database.fetch(FIND, *map(list, zip(*read.asked, strict=True)))
        except Exception as error:  # noqa: BLE001  raised by all that have asked
            read.error = error
        else:
            read.found = {(row["user_id"], row["event"]) for row in rows}
