"""A wire between a client and the system, to cut and to silence."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Self
from urllib.parse import urlsplit


class Wire:
    """Carries connections to the system, as long as it is whole."""

    def __init__(self, base_url: str) -> None:
        self._there = urlsplit(base_url)
        self._ends = set[asyncio.StreamWriter]()
        self._silent = set[asyncio.StreamWriter]()
        self._whole = True
        self.base_url = ""

    @classmethod
    @asynccontextmanager
    async def to(cls, base_url: str) -> AsyncGenerator[Self]:
        """Return a proxy to the system at `base_url`."""
        wire = cls(base_url)
        server = await asyncio.start_server(wire._carry, "127.0.0.1", 0)
        wire.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield wire
            wire.cut()

    def refuse(self) -> None:
        """Take no new connection."""
        self._whole = False

    def cut(self) -> None:
        """Break every connection, and take no new one."""
        self.refuse()
        for end in self._ends:
            end.transport.abort()

    def mend(self) -> None:
        """Take connections again, and break the silent ones: a browser would send its next request over one of them."""
        self._whole = True
        for end in self._silent:
            end.transport.abort()
        self._silent.clear()

    def silence(self) -> None:
        """Carry nothing more over the connections that are there, and leave them open."""
        self._silent |= self._ends

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._whole:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(self._there.hostname, self._there.port)
        if not self._whole:  # it was cut meanwhile
            for end in (writer, far_writer):
                end.transport.abort()
            return
        self._ends |= {writer, far_writer}
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pump(reader, far_writer))
            tasks.create_task(self._pump(far_reader, writer))
        self._ends -= {writer, far_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if writer not in self._silent:
                    writer.write(data)
                    await writer.drain()
        writer.close()
