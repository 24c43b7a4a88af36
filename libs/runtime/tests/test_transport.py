"""The TCP connection of the client of the bus."""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlparse

import pytest
import uvloop
from runtime.bus.transport import TcpTransport

ABORT = struct.pack("ii", 1, 0)


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    writer.close()


async def write_after_loss() -> None:
    async with await asyncio.start_server(reset, "127.0.0.1", 0) as server:
        transport = TcpTransport()
        port: int = server.sockets[0].getsockname()[1]
        await transport.connect(urlparse(f"nats://127.0.0.1:{port}"), 1024, 60)
        with suppress(ConnectionError):
            await transport.read(1)
        await asyncio.sleep(0)  # the event loop removes the connection
        try:
            transport.writelines([b"PING\r\n"])
            with pytest.raises(ConnectionError):
                await transport.drain()
        finally:
            transport.close()
            with suppress(ConnectionError):
                await transport.wait_closed()


@pytest.mark.parametrize("new_loop", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_a_write_to_a_lost_connection_is_reported_by_drain(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(write_after_loss())
