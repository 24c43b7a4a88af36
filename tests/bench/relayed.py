"""Stands between the session service and the model, and hears what they send each other."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

type Hear = Callable[[bytes], None]


def _ignore(_data: bytes) -> None:
    """Hear nothing."""


@asynccontextmanager
async def relayed(upstream: str, *, from_model: Hear = _ignore, to_model: Hear = _ignore) -> AsyncGenerator[str]:
    """Relay connections to the model at `upstream`, and yield the URL to reach it by."""
    relay = _Relay(upstream, from_model, to_model)
    async with await asyncio.start_server(relay.serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


class _Relay:
    def __init__(self, upstream: str, from_model: Hear, to_model: Hear) -> None:
        self._upstream, self._from_model, self._to_model = urlsplit(upstream), from_model, to_model

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(self._upstream.hostname, self._upstream.port)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_pass(reader, up_writer, self._to_model))
            tasks.create_task(_pass(up_reader, writer, self._from_model))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hear: Hear) -> None:
    try:
        while data := await reader.read(65536):
            hear(data)
            writer.write(data)
    except OSError:
        pass
    finally:
        writer.close()
