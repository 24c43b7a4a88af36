"""A model provider controlled by the test, and a client in the place of an agent."""

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientResponse, ClientSession, web
from session.agent.model_proxy import Access, ModelProxy

CUT_BYTES = 48 * 1024
TOKEN, KEY = "token-of-the-run", "key-of-the-provider"
BODY = b'{"model": "m"}'
USAGE = {"input_tokens": 1000, "cache_creation_input_tokens": 1, "cache_read_input_tokens": 2, "output_tokens": 1}
STREAM = [
    {"type": "message_start", "message": {"model": "m", "usage": USAGE}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x" * 400}},
    {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 50}},
]


def events(*stream: dict[str, Any]) -> bytes:
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in stream)


@dataclass
class Provider:
    """A provider that records requests and answers as the query parameter `respond` says."""

    requests: list[web.Request] = field(default_factory=list[web.Request])
    bodies: list[bytes] = field(default_factory=list[bytes])
    released: asyncio.Event = field(default_factory=asyncio.Event)
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.read())
        match request.query.get("respond"):
            case "wait":
                await self.released.wait()
                return web.Response()
            case "headers":
                return web.Response(
                    headers={"anthropic-organization-id": "ours", "Set-Cookie": "a=b", "request-id": "r"}
                )
            case "gzip":
                return web.Response(body=gzip.compress(b"packed"), headers={"Content-Encoding": "gzip"})
            case "overloaded":
                return web.json_response({"error": "busy"}, status=529, headers={"Retry-After": "7"})
            case "unauthorized":
                return web.json_response({"error": "invalid x-api-key"}, status=401)
            case "usage":
                return web.json_response({"usage": USAGE})
            case "stream" | "abort" | "cut" as kind:
                return await self._stream(request, kind)
            case _:
                return web.json_response({"text": "hello"})

    async def _stream(self, request: web.Request, kind: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(events(*STREAM[:2]))
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.disconnected.set()
            raise
        if kind == "cut" and request.transport:
            await response.write(bytes(CUT_BYTES))
            request.transport.close()
            return response
        if kind == "abort" and request.transport:
            request.transport.abort()
        await response.write(events(*STREAM[2:]))
        return response


@dataclass
class ProxyClient:
    """A client of the model proxy in the place of an agent, with its token and its access."""

    client: ClientSession
    access: Access
    address: tuple[str, int]
    listener: socket.socket

    def post(self, path: str, **arguments: Any) -> Any:
        return self.client.post(path, **arguments)


@asynccontextmanager
async def proxied(url: str, *models: str) -> AsyncGenerator[ProxyClient]:
    """Serve the provider at `url` through a proxy, and yield a client of the proxy."""
    listener, access = socket.create_server(("127.0.0.1", 0)), Access(models)
    address = ("127.0.0.1", listener.getsockname()[1])
    proxy_url, token = f"http://127.0.0.1:{address[1]}", {"x-api-key": TOKEN}
    async with ModelProxy(url, KEY) as proxy, ClientSession(proxy_url, headers=token) as client:
        await proxy.serve(listener, TOKEN, access)
        yield ProxyClient(client, access, address, listener)


async def error_of(response: ClientResponse) -> tuple[int, str]:
    """Return the status and the error type of a response."""
    return response.status, (await response.json())["error"]["type"]
