"""The words that an agent is just saying, told to whoever listens: without storage, and without waiting."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from contracts.session.deltas import TextDelta, delta_subject
from nats.aio.client import Client
from nats.errors import Error

PATIENCE = 0.1


@dataclass(frozen=True)
class Deltas:
    """The bus, for what may get lost."""

    client: Client

    async def tell(self, owner: UUID, session_id: UUID, run_id: UUID, text: str) -> None:
        """Tell the next words of a run. A bus that is away or slow misses them; the run goes on."""
        if not self.client.is_connected:
            return
        with suppress(Error, OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                body = TextDelta(run_id=run_id, text=text).model_dump_json()
                await self.client.publish(delta_subject(owner, session_id), body.encode())
