"""Connections to the HTTP server under test that send and receive bytes."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import cast

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

HOST = "127.0.0.1"
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nhost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class RawConnection:
    """A connection that sends and receives bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @property
    def transport(self) -> asyncio.Transport:
        """What can pause reading: the stream alone reads some beyond what is asked for."""
        return cast(asyncio.Transport, self.writer.transport)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def send_until_closed(self) -> None:
        """Send data until the server closes the connection."""
        with suppress(OSError):
            while True:
                await self.send(b"x" * 10_000)
                await asyncio.sleep(0.01)

    async def answer(self) -> bytes:
        """Return one response, head and body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return head + await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        """Return all data until the server closes the connection."""
        return await asyncio.wait_for(self.reader.read(), 60)


class Target:
    """The server under test."""

    def __init__(self, port: int) -> None:
        self.port = port

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[RawConnection]:
        reader, writer = await asyncio.open_connection(HOST, self.port)
        try:
            yield RawConnection(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def echo(request: Request) -> Response:
    try:
        return PlainTextResponse(f"{len(await request.body())} bytes")
    except ClientDisconnect:
        return PlainTextResponse("gone")


def problem(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    problem = json.loads(body)
    assert b"content-type: application/problem+json" in head
    assert f"x-request-id: {problem['request_id']}\r\n".encode() in head
    assert b"x-response-time: " in head
    assert head.startswith(f"HTTP/1.1 {problem['status']} ".encode())
    return problem["status"], problem["error_code"]
