"""Events that wait for a newer release that can read them, or for another service: such deliveries are no failures."""

import time

from nats.aio.msg import Msg
from runtime.logging import get_logger

from eventing.database import Database

log = get_logger()

TOLD_EVERY = 600.0
KEPT_DAYS = 60

NOTE = """
    INSERT INTO waits (durable, sequence, deliveries) VALUES ($1, $2, 1)
    ON CONFLICT (durable, sequence) DO UPDATE SET deliveries = waits.deliveries + 1, noted_at = now()
    RETURNING deliveries"""
FORGET = f"DELETE FROM waits WHERE noted_at < now() - interval '{KEPT_DAYS} days'"  # noqa: S608  no input
COUNT = "SELECT deliveries FROM waits WHERE durable = $1 AND sequence = $2"


class Waits:
    """Counts, for the reactions of one service, the deliveries at which an event had to wait."""

    def __init__(self, service: str, database: Database) -> None:
        self.service, self.database = service, database
        self._told: dict[str, float] = {}

    async def note(self, reaction: str, message: Msg, error: Exception) -> int:
        """Note that a message has to wait because of `error`, which is logged now and then.

        Returns how often the message had to wait by now.
        """
        if time.monotonic() - self._told.get(reaction, -TOLD_EVERY) >= TOLD_EVERY:
            self._told[reaction] = time.monotonic()
            log.warning("events wait", reaction=reaction, reason=str(error))
        waited: int = await self.database.fetchval(NOTE, *self._place(reaction, message))
        if waited == 1:
            await self.database.execute(FORGET)
        return waited

    async def count(self, reaction: str, message: Msg) -> int:
        """Return how often a message had to wait."""
        return await self.database.fetchval(COUNT, *self._place(reaction, message)) or 0

    def _place(self, reaction: str, message: Msg) -> tuple[str, int]:
        place = message.metadata
        return f"{place.stream} {self.service}-{reaction}", place.sequence.stream
