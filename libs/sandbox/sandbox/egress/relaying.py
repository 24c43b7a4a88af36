"""Relaying of bytes between two connections, with bounded buffers and a bounded time without any bytes."""

import asyncio
from contextlib import suppress
from typing import Self

CHUNK_BYTES = 2**15
IDLE_SECONDS = 300.0
CLOSE_SECONDS = 10.0


class Connection:
    """A connection. On exit it is closed; what the other side does not read in time is dropped."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        try:
            with suppress(OSError, TimeoutError):
                await asyncio.wait_for(self.writer.wait_closed(), CLOSE_SECONDS)
        finally:
            self.writer.transport.abort()


async def relay(one: Connection, other: Connection) -> None:
    """Copy bytes in both directions until both have ended, or none was copied for `IDLE_SECONDS`."""
    loop = asyncio.get_running_loop()
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(IDLE_SECONDS) as idle:

            async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
                with suppress(OSError):
                    while chunk := await source.read(CHUNK_BYTES):
                        target.write(chunk)
                        await target.drain()
                        idle.reschedule(loop.time() + IDLE_SECONDS)
                    if target.can_write_eof():
                        target.write_eof()
                    return
                target.transport.abort()

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(copy(one.reader, other.writer))
                tasks.create_task(copy(other.reader, one.writer))
