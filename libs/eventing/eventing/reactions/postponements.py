"""Deliveries postponed until a newer release, another service or a turn is available; they do not count as failures."""

import time
from collections.abc import Callable

from nats.aio.msg import Msg
from runtime.bus import NoResponders
from runtime.logging import get_logger

from eventing.bus.message_lease import MessageLease
from eventing.database import Database
from eventing.leases import OtherSuspect
from eventing.reactions.suspects import check_attempt
from eventing.recording import EventTooNew
from eventing.relay.work_stream import EventGone

log = get_logger()

LOG_SECONDS = 600.0
"""Minimum time between two log entries about one reaction."""
RETENTION_DAYS = 60
WAITS: dict[type[Exception], str] = {
    EventTooNew: "waits for a newer release",
    NoResponders: "waits for another service",
    OtherSuspect: "waits for another suspect",
}
"""The outcome for metrics, by the reason of a postponement."""

COUNT_ONE = """
    INSERT INTO waits (durable, sequence, deliveries) VALUES ($1, $2, 1)
    ON CONFLICT (durable, sequence) DO UPDATE SET
        deliveries = waits.deliveries + 1, attempts = greatest(waits.attempts - $3, 0), noted_at = now()
    RETURNING deliveries"""
BEGIN_ATTEMPT = """
    INSERT INTO waits (durable, sequence, deliveries, attempts) VALUES ($1, $2, 0, 1)
    ON CONFLICT (durable, sequence) DO UPDATE SET attempts = waits.attempts + 1, noted_at = now()
    RETURNING attempts"""
DELETE_OLD = f"DELETE FROM waits WHERE noted_at < now() - interval '{RETENTION_DAYS} days'"  # noqa: S608  no input
READ = "SELECT deliveries FROM waits WHERE durable = $1 AND sequence = $2"


class Postponements:
    """Counts the postponed deliveries of each message, for the reactions of one service."""

    def __init__(self, service: str, database: Database) -> None:
        self.service, self.database = service, database
        self._logged_at: dict[str, float] = {}

    async def skip(self, reaction: str, lease: MessageLease, reason: Exception, delay: Callable[[int], float]) -> str:
        """Answer the bus about a message that was not processed because of `reason`; return the outcome for metrics.

        `delay` returns the seconds before the next delivery, for the number of those before it.
        """
        match reason:
            case EventTooNew() | NoResponders() | OtherSuspect():  # too new: it, or another event of the aggregate
                await lease.nak(delay(await self.record(reaction, lease.message, reason)))
                return WAITS[type(reason)]
            case EventGone():
                log.warning("event is no longer stored, skipped", reaction=reaction, reason=str(reason))
                await lease.message.term()
                return "gone"
            case _:  # neither acknowledged nor returned: that is up to the replica that works on it
                log.info("another replica works on the event", reaction=reaction)
                return "taken over"

    async def record(self, reaction: str, message: Msg, error: Exception) -> int:
        """Record that a delivery is postponed because of `error`, which is logged from time to time.

        Returns:
            How often the message has been postponed, this time included.
        """
        if time.monotonic() - self._logged_at.get(reaction, -LOG_SECONDS) >= LOG_SECONDS:
            self._logged_at[reaction] = time.monotonic()
            log.warning("events are postponed", reaction=reaction, reason=str(error))
        attempts = 0 if isinstance(error, OtherSuspect) else 1  # the one that ends so does not count
        deliveries: int = await self.database.fetchval(COUNT_ONE, *self._key(reaction, message), attempts)
        if deliveries == 1:
            await self.database.execute(DELETE_OLD)
        return deliveries

    async def count(self, reaction: str, message: Msg) -> int:
        """Return how often a message has been postponed."""
        return await self.database.fetchval(READ, *self._key(reaction, message)) or 0

    async def begin_attempt(self, reaction: str, message: Msg) -> None:
        """Record that a suspect is about to be tried.

        Raises:
            RuntimeError: the service crashed at each attempt.
        """
        check_attempt(await self.database.fetchval(BEGIN_ATTEMPT, *self._key(reaction, message)))

    def _key(self, reaction: str, message: Msg) -> tuple[str, int]:
        metadata = message.metadata
        return f"{metadata.stream} {self.service}-{reaction}", metadata.sequence.stream
