"""What passes between an agent and the model provider, and what does not."""

import asyncio
import gzip
import socket
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from io import BytesIO

import pytest
import pytest_asyncio
from aiohttp import ClientPayloadError, ClientSession, web
from aiohttp.test_utils import TestServer
from session.model_proxy import BODY_LIMIT, ModelProxy

TOKEN, KEY = "token-of-the-run", "key-of-the-provider"


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
            case "pack":
                return web.Response(body=gzip.compress(b"packed"), headers={"Content-Encoding": "gzip"})
            case "fail":
                return web.json_response({"error": "busy"}, status=529, headers={"Retry-After": "7"})
            case "stream" | "break" as wanted:
                return await self._stream(request, wanted)
            case _:
                return web.json_response({"text": "hello"})

    async def _stream(self, request: web.Request, wanted: str) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.left.set()
            raise
        if wanted == "break" and request.transport:
            request.transport.abort()
        await response.write(b"second")
        return response


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest_asyncio.fixture
async def agent(provider: Provider) -> AsyncGenerator[ClientSession]:
    """Give a client where an agent would be, token included."""
    app = web.Application(client_max_size=BODY_LIMIT)
    app.router.add_post("/{path:.*}", provider.answer)
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with (
        TestServer(app, handler_cancellation=True) as server,
        ModelProxy(str(server.make_url("/base/")), KEY) as proxy,
        ClientSession(url, headers={"x-api-key": TOKEN}) as client,
    ):
        await proxy.serve(listener, TOKEN)
        yield client


async def test_the_provider_gets_the_key_and_not_the_token(agent: ClientSession, provider: Provider) -> None:
    async with agent.post("/v1/messages", data=b"{}") as answer:
        assert answer.status == 200
    assert provider.asked[0].headers["x-api-key"] == KEY
    assert TOKEN not in str(provider.asked[0].headers)


async def test_a_bearer_token_does_too(agent: ClientSession, provider: Provider) -> None:
    headers = {"x-api-key": "", "Authorization": f"Bearer {TOKEN}"}
    async with agent.post("/v1/messages", data=b"{}", headers=headers) as answer:
        assert answer.status == 200
    assert "authorization" not in provider.asked[0].headers


async def test_the_request_passes_as_it_is(agent: ClientSession, provider: Provider) -> None:
    headers = {"anthropic-beta": "some", "Content-Type": "application/json"}
    async with agent.post("/v1/messages/count_tokens?beta=true", data=b'{"a": 1}', headers=headers):
        pass
    asked = provider.asked[0]
    assert asked.path_qs == "/base/v1/messages/count_tokens?beta=true"
    assert (asked.headers["anthropic-beta"], asked.headers["Content-Type"]) == ("some", "application/json")
    assert provider.bodies == [b'{"a": 1}']


@pytest.mark.parametrize("headers", [{"x-api-key": "another"}, {"x-api-key": ""}])
async def test_without_the_token_nothing_passes(
    agent: ClientSession, provider: Provider, headers: dict[str, str]
) -> None:
    async with agent.post("/v1/messages", data=b"{}", headers=headers) as answer:
        assert (answer.status, (await answer.json())["error"]["type"]) == (401, "authentication_error")
    assert not provider.asked


@pytest.mark.parametrize("path", ["/v1/models", "/v1/messages/batches", "/", "/v1/files", "/v1/messages/../files"])
async def test_another_route_does_not_pass(agent: ClientSession, provider: Provider, path: str) -> None:
    async with agent.post(path, data=b"{}") as answer:
        assert answer.status == 404
    assert not provider.asked


async def test_reading_does_not_pass(agent: ClientSession, provider: Provider) -> None:
    async with agent.get("/v1/messages") as answer:
        assert answer.status == 405
    assert not provider.asked


async def test_an_answer_comes_while_it_is_given(agent: ClientSession, provider: Provider) -> None:
    async with agent.post("/v1/messages?please=stream", data=b"{}") as answer:
        assert await answer.content.readany() == b"first"
        provider.released.set()
        assert await answer.content.read() == b"second"


async def test_a_packed_answer_passes(agent: ClientSession) -> None:
    async with agent.post("/v1/messages?please=pack", data=b"{}") as answer:
        assert await answer.read() == b"packed"


async def test_a_failure_of_the_provider_passes(agent: ClientSession) -> None:
    async with agent.post("/v1/messages?please=fail", data=b"{}") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (529, "7")


async def test_a_broken_answer_arrives_broken(agent: ClientSession, provider: Provider) -> None:
    async with agent.post("/v1/messages?please=break", data=b"{}") as answer:
        await answer.content.readany()
        provider.released.set()
        with pytest.raises(ClientPayloadError):
            await answer.read()


async def test_an_agent_that_ends_takes_its_request_along(agent: ClientSession, provider: Provider) -> None:
    async with agent.post("/v1/messages?please=stream", data=b"{}") as answer:
        await answer.content.readany()
        answer.close()
    async with asyncio.timeout(5):
        await provider.left.wait()


async def test_too_long_a_request_is_refused(agent: ClientSession, provider: Provider) -> None:
    async with agent.post("/v1/messages", data=BytesIO(bytes(BODY_LIMIT + 1))) as answer:
        assert (answer.status, (await answer.json())["error"]["type"]) == (413, "request_too_large")
    assert not provider.asked


async def test_a_request_of_unknown_length_is_refused(agent: ClientSession, provider: Provider) -> None:
    async def body() -> AsyncGenerator[bytes]:
        yield b"{}"

    async with agent.post("/v1/messages", data=body()) as answer:
        assert answer.status == 411
    assert not provider.asked


async def test_a_provider_that_is_away_is_told_as_it_would_tell() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/messages"
    async with ModelProxy("http://127.0.0.1:1", KEY) as proxy, ClientSession() as client:
        await proxy.serve(listener, TOKEN)
        async with client.post(url, data=b"{}", headers={"x-api-key": TOKEN}) as answer:
            error = (await answer.json())["error"]
    assert (answer.status, error["type"]) == (502, "api_error")


async def test_who_has_left_is_not_served() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    async with ModelProxy("http://127.0.0.1:1", KEY) as proxy:
        await proxy.serve(listener, TOKEN)
        await proxy.leave(TOKEN)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)
