"""A model provider that a test can tell what to answer, and a client where an agent would be."""

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
    """A provider that keeps what it is asked and answers what it is told."""

    asked: list[web.Request] = field(default_factory=list[web.Request])
    bodies: list[bytes] = field(default_factory=list[bytes])
    released: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.bodies.append(await request.read())
        match request.query.get("please"):
            case "wait":
                await self.released.wait()
                return web.Response()
            case "tag":
                return web.Response(
                    headers={"anthropic-organization-id": "ours", "Set-Cookie": "a=b", "request-id": "r"}
                )
            case "pack":
                return web.Response(body=gzip.compress(b"packed"), headers={"Content-Encoding": "gzip"})
            case "fail":
                return web.json_response({"error": "busy"}, status=529, headers={"Retry-After": "7"})
            case "reject":
                return web.json_response({"error": "invalid x-api-key"}, status=401)
            case "tell":
                return web.json_response({"usage": USAGE})
            case "stream" | "break" as wanted:
                return await self._stream(request, wanted)
            case _:
                return web.json_response({"text": "hello"})

    async def _stream(self, request: web.Request, wanted: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(events(*STREAM[:2]))
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.left.set()
            raise
        if wanted == "break" and request.transport:
            request.transport.abort()
        await response.write(events(*STREAM[2:]))
        return response


@dataclass
class Agent:
    """A client where an agent would be, with its token and its access."""

    client: ClientSession
    access: Access
    address: tuple[str, int]

    def post(self, path: str, **given: Any) -> Any:
        return self.client.post(path, **given)


@asynccontextmanager
async def served(url: str, *models: str) -> AsyncGenerator[Agent]:
    listener, access = socket.create_server(("127.0.0.1", 0)), Access(models)
    address = ("127.0.0.1", listener.getsockname()[1])
    own, token = f"http://127.0.0.1:{address[1]}", {"x-api-key": TOKEN}
    async with ModelProxy(url, KEY) as proxy, ClientSession(own, headers=token) as client:
        await proxy.serve(listener, TOKEN, access)
        yield Agent(client, access, address)


async def error(answer: ClientResponse) -> tuple[int, str]:
    return answer.status, (await answer.json())["error"]["type"]
