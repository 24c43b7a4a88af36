"""A process waits for a real NATS that comes up after it."""

import asyncio

from onebox.nats import EmbeddedNats
from runtime.bus_start import bus_ready
from runtime.testing import background


async def test_a_bus_that_starts_later_is_waited_for(nats_server: EmbeddedNats) -> None:
    nats_server.child.ask_to_stop()
    await asyncio.to_thread(nats_server.child.finish)
    async with background(bus_ready(nats_server.url, within=60, stop=asyncio.Event())) as [waiting]:
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
        await asyncio.to_thread(nats_server.start)
        await waiting
