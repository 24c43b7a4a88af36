"""The words that an agent is just saying, told to whoever listens: without storage, and without waiting."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from contracts.session.deltas import TextDelta, delta_subject
from nats.aio.client import Client
from nats.errors import Error

PATIENCE = 0.1
SILENCE = 1.0
"""Seconds in which a bus that was slow is told nothing, so that it holds up a run by a tenth at most."""


@dataclass
class Deltas:
    """The bus, for what may get lost."""

    client: Client
    _told_again: float = 0.0

    async def tell(self, owner: UUID, session_id: UUID, run_id: UUID, text: str) -> None:
        """Tell the next words of a run. A bus that is away or slow misses them; the run goes on."""
        loop = asyncio.get_running_loop()
        if not self.client.is_connected or loop.time() < self._told_again:
            return
        body = TextDelta(run_id=run_id, text=text).model_dump_json()
        with suppress(Error, OSError):
            try:
                async with asyncio.timeout(PATIENCE):
                    await self.client.publish(delta_subject(owner, session_id), body.encode())
            except TimeoutError:
                self._told_again = loop.time() + SILENCE
