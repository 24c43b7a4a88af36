"""A server that receives requests of webhooks, and answers as a test wants."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
type Writer = asyncio.StreamWriter


@dataclass
class Request:
    """A received request."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        return json.loads(self.body)

    def verify(self, secret: str) -> Any:
        """Verify the request as a receiver does, with the library of Standard Webhooks."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """Answers 200, unless `answer` writes something else; None of it closes the connection."""

    port: int
    requests: list[Request] = field(default_factory=list[Request])
    answer: Callable[[Request, Writer], Awaitable[None]] | None = None
    connections: set[Writer] = field(default_factory=set[Writer])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        return [request.id for request in self.requests]

    def answers(self, head: str, body: bytes = b"") -> None:
        """Answer all requests with a status line and headers, and a body."""
        text = f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

        async def write(_: Request, writer: Writer) -> None:
            writer.write(text)

        self.answer = write

    async def serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        """Serve one connection."""
        self.connections.add(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                request = await _read(reader)
                self.requests.append(request)
                if self.answer:
                    await self.answer(request, writer)
                else:
                    writer.write(OK)
                await writer.drain()
        self.connections.discard(writer)
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lines = [line.partition(": ") for line in head.split("\r\n")[1:] if line]
    headers = {name.lower(): value for name, _, value in lines}
    return Request(headers, await reader.readexactly(int(headers["content-length"])))


@asynccontextmanager
async def receiving() -> AsyncGenerator[Receiver]:
    """Run a receiver on a free port."""
    receiver = Receiver(0)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for writer in [*receiver.connections]:
            writer.close()
