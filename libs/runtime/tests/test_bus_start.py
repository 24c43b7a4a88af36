"""A process waits for a real NATS server that starts later."""

import asyncio

from onebox.nats import EmbeddedNats
from runtime.bus.start import wait_for_bus
from runtime.testing import background


async def test_startup_waits_for_a_bus_that_starts_later(nats_server: EmbeddedNats) -> None:
    nats_server.child.ask_to_stop()
    await asyncio.to_thread(nats_server.child.finish)
    async with background(wait_for_bus(nats_server.url, "test", within=60, stop=asyncio.Event())) as [waiting]:
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
        await asyncio.to_thread(nats_server.start)
        await waiting
