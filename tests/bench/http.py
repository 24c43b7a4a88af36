"""An HTTP client that costs little: what is measured shares the machine with it."""

import asyncio
import json
import re
import secrets
from dataclasses import dataclass
from typing import Any, Self

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """A request, and the status that it should be answered with."""

    wire: bytes
    status: int

    @classmethod
    def get(cls, path: str, token: str = "", status: int = 200) -> Self:
        return cls(_wire("GET", path, token, b""), status)

    def keyed(self) -> "Request":
        """Return the request with an idempotency key that no other has."""
        head, _, body = self.wire.partition(b"\r\n\r\n")
        return Request(head + f"\r\nIdempotency-Key: {secrets.token_hex(16)}\r\n\r\n".encode() + body, self.status)

    @classmethod
    def post(cls, path: str, token: str, body: Any, status: int = 201) -> Self:
        return cls(_wire("POST", path, token, json.dumps(body).encode()), status)


def _wire(method: str, path: str, token: str, body: bytes) -> bytes:
    head = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    head += ["Content-Type: application/json"] if body else []
    head += [f"Authorization: {token}"] if token else []
    return "\r\n".join([*head, "", ""]).encode() + body


class Connection:
    """A connection that stays open, for one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def ask(self, request: Request) -> bytes:
        """Send a request and return the body of the answer.

        Raises:
            RuntimeError: the answer has another status than it should.
        """
        status, body = await self._exchange(request)
        if status != request.status:
            raise RuntimeError(f"{status} instead of {request.status}: {body[:500].decode()}")
        return body

    async def status(self, request: Request) -> int:
        """Send a request and return the status of the answer."""
        return (await self._exchange(request))[0]

    async def _exchange(self, request: Request) -> tuple[int, bytes]:
        self._writer.write(request.wire)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        return int(head[9:12]), await self._reader.readexactly(int(length[1]) if length else 0)
