"""A server that misbehaves as the path of its URL says: `python -m mcp_connection.testing.hostile`.

It begins sessions as a good server does, and misbehaves when its tools are listed, or from the first request on.
The same after `sse/` is the way for a connection over SSE.
"""

import asyncio
import json
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from mcp_connection.testing.hostile_answers import ANSWERS, FIRST_ANSWERS, accepted, endpoint, result, status

INITIALIZED = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"tools": {"listChanged": True}},
    "serverInfo": {"name": "hostile", "version": "6.6.6"},
}


async def serve(reader: StreamReader, writer: StreamWriter) -> None:
    """Answer the requests of one connection."""
    with suppress(asyncio.IncompleteReadError, ConnectionError, TimeoutError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            method, path, _ = head.split(" ", 2)
            length = next((int(line[15:]) for line in head.splitlines() if line.startswith("content-length:")), 0)
            message: dict[str, Any] = json.loads(await reader.readexactly(length) or b"{}")
            async for part in answer(method, path.strip("/"), message):
                writer.write(part)
                await writer.drain()


def answer(method: str, mode: str, message: dict[str, Any]) -> AsyncIterator[bytes]:
    """Return the parts of the response to a request."""
    asked = message.get("method", "")
    if method == "get" and mode.startswith("sse/"):
        return endpoint(mode.removeprefix("sse"))
    if method != "post" or asked == "server/discover":
        return status(405)
    if mode in FIRST_ANSWERS:
        return FIRST_ANSWERS[mode](message)
    if "id" not in message or not asked:
        return accepted()
    if asked == "initialize":
        return result(message, INITIALIZED)
    return ANSWERS[mode](message)


@asynccontextmanager
async def hostile() -> AsyncGenerator[str]:
    """Run the server; yield its origin, to which a mode is appended."""
    connections = set[asyncio.Task[None] | None]()

    async def serve_tracked(reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        connections.add(task)
        try:
            await serve(reader, writer)
        finally:
            connections.discard(task)
            writer.transport.abort()

    async with await asyncio.start_server(serve_tracked, "127.0.0.1", 0, limit=2**20) as server:
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            for task in filter(None, connections):
                task.cancel()


async def main() -> None:
    """Run the server until the process is ended. The first line of the output is its origin."""
    async with hostile() as origin:
        sys.stdout.write(f"{origin}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
