"""Holding a message of the bus while it is worked on."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from nats.aio.msg import Msg
from nats.errors import Error
from runtime.bus import Client


class Hold:
    """A replica's hold on a message, kept by signs of life: `every` so often; after `patience` without it is lost."""

    def __init__(self, client: Client, message: Msg, every: float, patience: float) -> None:
        self.client, self.message, self.every, self.patience = client, message, every, patience
        self.heard, self.longest = asyncio.get_running_loop().time(), 0.0

    @asynccontextmanager
    async def kept(self) -> AsyncGenerator[None]:
        """Send signs of life as long as the context is open."""
        async with asyncio.TaskGroup() as tasks:
            beating = tasks.create_task(self._beat())
            try:
                yield
            finally:
                beating.cancel()

    async def give_back(self, delay: float | None = None) -> None:
        """Let the message come again, at once or after a delay.

        One that may have been handed to another is left alone, for the server would take it from that one. It comes
        again when nobody has given a sign of life for long enough.
        """
        if max(self.longest, self._silence) < self.patience:
            await self.message.nak(delay=delay)

    @property
    def _silence(self) -> float:
        return asyncio.get_running_loop().time() - self.heard

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.every)
            with suppress(Error, OSError):  # a missed heartbeat is no reason to drop the work
                await self.client.request(self.message.reply, Msg.Ack.Progress, timeout=self.every)
                self.longest, self.heard = max(self.longest, self._silence), asyncio.get_running_loop().time()
