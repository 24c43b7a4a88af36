"""A client of WebSockets that uses an independent library."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

from contracts.samples import SESSION
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

PATH = f"/api/v1/sessions/{SESSION}/stream"


class Client:
    """A client of one WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def next(self) -> tuple[str, dict[str, Any]]:
        message = json.loads(await self.socket.recv())
        assert set(message) == {"type", "data"}
        return message["type"], message["data"]

    async def send(self, kind: str, **data: Any) -> tuple[str, dict[str, Any]]:
        await self.socket.send(json.dumps({"type": kind, "data": data}))
        return await self.next()

    async def wait_closed(self) -> tuple[int | None, list[str]]:
        """Wait until the socket is closed; return the close code and the types of the messages before."""
        types: list[str] = []
        with suppress(ConnectionClosed):
            while True:
                types.append((await self.next())[0])
        return self.socket.close_code, types


@asynccontextmanager
async def open_websocket(base_url: str, token: str | None, query: str = "", **options: Any) -> AsyncGenerator[Client]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    address = f"{base_url.replace('http', 'ws')}{PATH}{query}"
    async with connect(address, additional_headers=headers, open_timeout=60, **options) as socket:
        yield Client(socket)
