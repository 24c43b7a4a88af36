"""Text that an agent is generating, published to connected clients: not stored, and never waited for."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from contracts.session.deltas import TextDelta, delta_subject
from runtime.bus import BUS_ERRORS, Client

PUBLISH_TIMEOUT = 0.1
BACKOFF_SECONDS = 1.0
"""Seconds without a publication after one timed out, so that a slow bus delays a run by a tenth at most."""


@dataclass
class Deltas:
    """Publishes text deltas, which may get lost."""

    client: Client
    _retry_at: float = 0.0

    async def publish(self, owner: UUID, session_id: UUID, delta: TextDelta) -> None:
        """Publish the next piece of a run's text.

        Drops it if the bus is unavailable or slow; the run continues.
        """
        loop = asyncio.get_running_loop()
        if not self.client.is_connected or loop.time() < self._retry_at:
            return
        with suppress(*BUS_ERRORS):
            try:
                async with asyncio.timeout(PUBLISH_TIMEOUT):
                    await self.client.publish(delta_subject(owner, session_id), delta.model_dump_json().encode())
            except TimeoutError:
                self._retry_at = loop.time() + BACKOFF_SECONDS
