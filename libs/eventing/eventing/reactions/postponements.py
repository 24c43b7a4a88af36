"""Deliveries postponed until a newer release or another service is available; they do not count as failures."""

import time

from nats.aio.msg import Msg
from runtime.logging import get_logger

from eventing.database import Database

log = get_logger()

LOG_SECONDS = 600.0
"""Minimum time between two log entries about one reaction."""
RETENTION_DAYS = 60

COUNT_ONE = """
    INSERT INTO waits (durable, sequence, deliveries) VALUES ($1, $2, 1)
    ON CONFLICT (durable, sequence) DO UPDATE SET deliveries = waits.deliveries + 1, noted_at = now()
    RETURNING deliveries"""
DELETE_OLD = f"DELETE FROM waits WHERE noted_at < now() - interval '{RETENTION_DAYS} days'"  # noqa: S608  no input
READ = "SELECT deliveries FROM waits WHERE durable = $1 AND sequence = $2"


class Postponements:
    """Counts the postponed deliveries of each message, for the reactions of one service."""

    def __init__(self, service: str, database: Database) -> None:
        self.service, self.database = service, database
        self._logged_at: dict[str, float] = {}

    async def record(self, reaction: str, message: Msg, error: Exception) -> int:
        """Record that a delivery is postponed because of `error`, which is logged from time to time.

        Returns:
            How often the message has been postponed, this time included.
        """
        if time.monotonic() - self._logged_at.get(reaction, -LOG_SECONDS) >= LOG_SECONDS:
            self._logged_at[reaction] = time.monotonic()
            log.warning("events are postponed", reaction=reaction, reason=str(error))
        deliveries: int = await self.database.fetchval(COUNT_ONE, *self._key(reaction, message))
        if deliveries == 1:
            await self.database.execute(DELETE_OLD)
        return deliveries

    async def count(self, reaction: str, message: Msg) -> int:
        """Return how often a message has been postponed."""
        return await self.database.fetchval(READ, *self._key(reaction, message)) or 0

    def _key(self, reaction: str, message: Msg) -> tuple[str, int]:
        metadata = message.metadata
        return f"{metadata.stream} {self.service}-{reaction}", metadata.sequence.stream
