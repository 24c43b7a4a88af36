"""A message of the bus, kept from redelivery by heartbeats while it is worked on."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager, suppress

from nats.aio.msg import Msg
from nats.errors import Error
from runtime.bus import Client


class MessageLease:
    """A lease on a message: renewed every `interval` seconds, and lost after `ack_wait` seconds without a heartbeat."""

    def __init__(self, client: Client, message: Msg, interval: float, ack_wait: float) -> None:
        self.client, self.message, self.interval, self.ack_wait = client, message, interval, ack_wait
        self.last_heartbeat, self.longest_gap = asyncio.get_running_loop().time(), 0.0

    @asynccontextmanager
    async def heartbeats(self) -> AsyncGenerator[None]:
        """Send heartbeats as long as the context is open."""
        async with asyncio.TaskGroup() as tasks:
            beating = tasks.create_task(self._beat())
            try:
                yield
            finally:
                beating.cancel()

    async def nak(self, delay: float | None = None) -> None:
        """Have the message redelivered, immediately or after `delay` seconds.

        Does nothing if the lease may have been lost, because the server would take the message away from the replica
        that has it by now. Such a message is redelivered when that replica's heartbeats stop.
        """
        if max(self.longest_gap, self._gap) < self.ack_wait:
            await self.message.nak(delay=delay)

    @property
    def _gap(self) -> float:
        return asyncio.get_running_loop().time() - self.last_heartbeat

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.interval)
            with suppress(Error, OSError):  # a missed heartbeat is no reason to abandon the work
                # A request, not a publish: only the server's reply proves that the heartbeat arrived.
                await self.client.request(self.message.reply, Msg.Ack.Progress, timeout=self.interval)
                self.longest_gap = max(self.longest_gap, self._gap)
                self.last_heartbeat = asyncio.get_running_loop().time()


@asynccontextmanager
async def kept(waiting: Collection[Msg], interval: float) -> AsyncGenerator[None]:
    """Keep messages from redelivery as long as the context is open, and they are still in the collection."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(interval)
            for message in [*waiting]:
                with suppress(Error, OSError):  # it may be redelivered then
                    await message.in_progress()

    async with asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(beat())
        try:
            yield
        finally:
            beating.cancel()
