"""What passes between an agent and the model provider, and what does not."""

import asyncio
import gzip
import json
import re
import socket
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientError, ClientPayloadError, ClientResponse, ClientSession, web
from aiohttp.test_utils import TestServer
from eventing.testing import eventually
from session.model_proxy import BODY_LIMIT, Access, ModelProxy
from session.model_proxy.access import AT_ONCE, BYTES_AT_ONCE, WAITING
from session.model_proxy.door import CONNECTIONS
from structlog.testing import capture_logs

from services.session.tests.conftest import until

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


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest_asyncio.fixture
async def provider_url(provider: Provider) -> AsyncGenerator[str]:
    app = web.Application(client_max_size=BODY_LIMIT)
    app.router.add_post("/{path:.*}", provider.answer)
    async with TestServer(app, handler_cancellation=True) as server:
        yield str(server.make_url("/base/"))


@pytest_asyncio.fixture
async def idle(provider_url: str) -> AsyncGenerator[Agent]:
    """Give an agent between its turns."""
    async with served(provider_url) as client:
        yield client


@pytest_asyncio.fixture
async def agent(idle: Agent) -> AsyncGenerator[Agent]:
    """Give an agent in a turn."""
    with idle.access.turn(None):
        yield idle


async def error(answer: ClientResponse) -> tuple[int, str]:
    return answer.status, (await answer.json())["error"]["type"]


async def test_the_provider_gets_the_key_and_not_the_token(agent: Agent, provider: Provider) -> None:
    async with agent.post("/v1/messages", data=BODY) as answer:
        assert answer.status == 200
    assert provider.asked[0].headers["x-api-key"] == KEY
    assert TOKEN not in str(provider.asked[0].headers)


async def test_a_bearer_token_does_too(agent: Agent, provider: Provider) -> None:
    headers = {"x-api-key": "", "Authorization": f"Bearer {TOKEN}"}
    async with agent.post("/v1/messages", data=BODY, headers=headers) as answer:
        assert answer.status == 200
    assert "authorization" not in provider.asked[0].headers


async def test_the_request_passes_as_it_is(agent: Agent, provider: Provider) -> None:
    headers = {"anthropic-beta": "some", "Content-Type": "application/json"}
    body = b'{"a": 1, "model": "m", "b" : ["\\"model\\": "]}'
    async with agent.post("/v1/messages/count_tokens?beta=true", data=body, headers=headers):
        pass
    asked = provider.asked[0]
    assert asked.path_qs == "/base/v1/messages/count_tokens?beta=true"
    assert (asked.headers["anthropic-beta"], asked.headers["Content-Type"]) == ("some", "application/json")
    assert provider.bodies == [body]


async def test_the_provider_reads_the_body_as_the_proxy_does(agent: Agent, provider: Provider) -> None:
    async with agent.post("/v1/messages", data=BODY, headers={"Content-Type": "application/json; charset=utf-7"}):
        pass
    assert provider.asked[0].headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("headers", [{"x-api-key": "another"}, {"x-api-key": ""}])
async def test_without_the_token_nothing_passes(agent: Agent, provider: Provider, headers: dict[str, str]) -> None:
    async with agent.post("/v1/messages", data=BODY, headers=headers) as answer:
        assert await error(answer) == (401, "authentication_error")
    assert not provider.asked


@pytest.mark.parametrize("path", ["/v1/models", "/v1/messages/batches", "/", "/v1/files", "/v1/messages/../files"])
async def test_another_route_does_not_pass(agent: Agent, provider: Provider, path: str) -> None:
    async with agent.post(path, data=BODY) as answer:
        assert answer.status == 404
    assert not provider.asked


async def test_reading_does_not_pass(agent: Agent, provider: Provider) -> None:
    async with agent.client.get("/v1/messages") as answer:
        assert answer.status == 405
    assert not provider.asked


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
async def test_between_turns_nothing_passes(idle: Agent, provider: Provider, path: str) -> None:
    with idle.access.turn(None):
        pass
    async with idle.post(path, data=BODY) as answer:
        assert await error(answer) == (403, "permission_error")
    assert not provider.asked


async def test_the_end_of_a_turn_breaks_off_what_is_under_way(idle: Agent, provider: Provider) -> None:
    with ExitStack() as turn:
        turn.enter_context(idle.access.turn(None))
        async with idle.post("/v1/messages?please=stream", data=BODY) as answer:
            await answer.content.readany()
            turn.close()
            with pytest.raises(ClientPayloadError):
                await answer.read()
    async with asyncio.timeout(5):
        await provider.left.wait()


async def test_money_that_is_used_up_ends_the_access(idle: Agent, provider: Provider) -> None:
    with idle.access.turn(Decimal("0.001")):
        async with idle.post("/v1/messages?please=tell", data=BODY) as answer:
            assert answer.status == 200
        async with idle.post("/v1/messages?please=tell", data=BODY) as answer:
            assert await error(answer) == (402, "billing_error")
        assert idle.access.exhausted
    assert len(provider.asked) == 1


async def test_a_new_turn_has_money_of_its_own(idle: Agent) -> None:
    for _ in range(2):
        with idle.access.turn(Decimal("0.001")):
            async with idle.post("/v1/messages?please=tell", data=BODY) as answer:
                assert answer.status == 200


async def test_what_a_whole_answer_used_is_counted(agent: Agent) -> None:
    async with agent.post("/v1/messages?please=tell", data=BODY) as answer:
        await answer.read()
    used = agent.access.meter.tokens
    assert (used.input, used.cache_written, used.cache_read, used.output) == (1000, 1, 2, 1)


async def test_what_a_streamed_answer_used_is_counted(agent: Agent, provider: Provider) -> None:
    provider.released.set()
    async with agent.post("/v1/messages?please=stream", data=BODY) as answer:
        await answer.read()
    used = agent.access.meter.tokens
    assert (used.input, used.cache_written, used.cache_read, used.output) == (1000, 1, 2, 50)


async def test_what_a_broken_off_answer_said_is_counted_too(agent: Agent, provider: Provider) -> None:
    async with agent.post("/v1/messages?please=stream", data=BODY) as answer:
        await answer.content.readany()
        answer.close()
    async with asyncio.timeout(5):
        await provider.left.wait()
    used = agent.access.meter.tokens
    assert (used.input, 90 <= used.output <= 110) == (1000, True)


async def test_what_the_end_of_a_turn_breaks_off_is_counted_with_the_turn(idle: Agent, provider: Provider) -> None:
    async def ask() -> None:
        with suppress(ClientError):
            await idle.post("/v1/messages?please=wait", json={"model": "m", "x": "x" * 4000})

    async with asyncio.TaskGroup() as tasks:
        with idle.access.turn(None):
            tasks.create_task(ask())
            await until(lambda: bool(provider.asked))
        assert idle.access.meter.tokens.input > 1000


async def test_turns_may_follow_each_other_at_once(idle: Agent, provider: Provider) -> None:
    async def ask() -> None:
        with suppress(ClientError):
            await idle.post("/v1/messages?please=wait", data=BODY)

    async with asyncio.TaskGroup() as tasks:
        with idle.access.turn(None):
            tasks.create_task(ask())
            await until(lambda: bool(provider.asked))
        for _ in range(3):
            with idle.access.turn(None):
                await asyncio.sleep(0)


async def test_a_failure_of_the_provider_costs_nothing(agent: Agent) -> None:
    async with agent.post("/v1/messages?please=fail", data=BODY) as answer:
        await answer.read()
    assert agent.access.meter.cost_usd == 0


async def test_only_models_of_the_session_pass(provider_url: str, provider: Provider) -> None:
    async with served(provider_url, "m", "claude-x[1m]", "sonnet") as client:
        with client.access.turn(None):
            for model in ("m", "claude-x", "claude-sonnet-9-1"):
                async with client.post("/v1/messages", json={"model": model}) as answer:
                    assert answer.status == 200
            for model in ("other", "claude-opus-5", "not-sonnet", "m "):
                async with client.post("/v1/messages", json={"model": model}) as answer:
                    assert await error(answer) == (403, "permission_error")
    assert len(provider.asked) == 3


async def test_a_tool_cannot_name_a_model_that_the_session_may_not_use(provider_url: str, provider: Provider) -> None:
    async with served(provider_url, "m") as client:
        with client.access.turn(None):
            async with client.post("/v1/messages", json={"model": "m", "tools": [{"model": "other"}]}) as answer:
                assert await error(answer) == (403, "permission_error")
    assert not provider.asked


async def test_a_body_that_two_readers_could_read_differently_is_refused(agent: Agent, provider: Provider) -> None:
    async with agent.post("/v1/messages", data=b'{"model": "a", "model": "b"}') as answer:
        assert await error(answer) == (400, "invalid_request_error")
    assert not provider.asked


async def test_a_packed_body_is_refused(agent: Agent, provider: Provider) -> None:
    packed = {"Content-Encoding": "gzip"}
    async with agent.post("/v1/messages", data=gzip.compress(BODY), headers=packed) as answer:
        assert await error(answer) == (415, "invalid_request_error")
    assert not provider.asked


async def test_an_agent_has_a_share_of_the_provider(agent: Agent, provider: Provider) -> None:
    async with asyncio.TaskGroup() as tasks:

        async def ask() -> int:
            async with agent.post("/v1/messages?please=stream", data=BODY) as answer:
                await answer.read()
                return answer.status

        asking = [tasks.create_task(ask()) for _ in range(AT_ONCE + WAITING + 1)]
        done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in done] == [429]
        await until(lambda: len(provider.asked) == AT_ONCE)
        provider.released.set()
    assert sorted(task.result() for task in asking) == [200] * (AT_ONCE + WAITING) + [429]


async def test_an_agent_has_so_many_bytes_under_way(agent: Agent) -> None:
    async with agent.access.request(BYTES_AT_ONCE - 1), agent.post("/v1/messages", data=BODY) as answer:
        assert await error(answer) == (429, "rate_limit_error")


async def test_an_agent_has_so_many_connections(agent: Agent) -> None:
    connections = [await asyncio.open_connection(*agent.address) for _ in range(CONNECTIONS)]
    reader, writer = await asyncio.open_connection(*agent.address)
    with suppress(ConnectionResetError):
        assert await reader.read() == b""
    for _, opened in [*connections, (reader, writer)]:
        opened.close()
    await until_served(agent)


async def until_served(agent: Agent) -> None:
    async def answers() -> bool:
        try:
            async with agent.post("/v1/messages", data=BODY) as answer:
                return answer.status == 200
        except ClientError:
            return False

    await eventually(answers)


async def test_an_answer_comes_while_it_is_given(agent: Agent, provider: Provider) -> None:
    async with agent.post("/v1/messages?please=stream", data=BODY) as answer:
        assert await answer.content.readany() == events(*STREAM[:2])
        provider.released.set()
        assert await answer.content.read() == events(*STREAM[2:])


async def test_a_packed_answer_passes(agent: Agent, provider: Provider) -> None:
    async with agent.post("/v1/messages?please=pack", data=BODY) as answer:
        assert await answer.read() == b"packed"
    assert provider.asked[0].headers["Accept-Encoding"] == "identity"


async def test_what_names_the_operator_does_not_pass(agent: Agent) -> None:
    async with agent.post("/v1/messages?please=tag", data=BODY) as answer:
        assert answer.headers["request-id"] == "r"
        assert not {"anthropic-organization-id", "Set-Cookie"} & set(answer.headers)


async def test_a_failure_of_the_provider_passes(agent: Agent) -> None:
    async with agent.post("/v1/messages?please=fail", data=BODY) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (529, "7")


async def test_a_broken_answer_arrives_broken(agent: Agent, provider: Provider) -> None:
    async with agent.post("/v1/messages?please=break", data=BODY) as answer:
        await answer.content.readany()
        provider.released.set()
        with pytest.raises(ClientPayloadError):
            await answer.read()


async def test_an_agent_that_ends_takes_its_request_along(agent: Agent, provider: Provider) -> None:
    async with agent.post("/v1/messages?please=stream", data=BODY) as answer:
        await answer.content.readany()
        answer.close()
    async with asyncio.timeout(5):
        await provider.left.wait()


async def test_too_long_a_request_is_refused(agent: Agent, provider: Provider) -> None:
    async with agent.post("/v1/messages", data=BytesIO(bytes(BODY_LIMIT + 1))) as answer:
        assert await error(answer) == (413, "request_too_large")
    assert not provider.asked


async def test_a_request_of_unknown_length_is_refused(agent: Agent, provider: Provider) -> None:
    async def body() -> AsyncGenerator[bytes]:
        yield BODY

    async with agent.post("/v1/messages", data=body()) as answer:
        assert answer.status == 411
    assert not provider.asked


async def test_a_rejected_key_is_logged_once_and_without_the_key(agent: Agent) -> None:
    with capture_logs() as logged:
        for _ in range(3):
            async with agent.post("/v1/messages?please=reject", data=BODY) as answer:
                assert answer.status == 401
    assert [entry["event"] for entry in logged] == ["the model provider rejects the key: check MODEL_API_KEY"]
    assert KEY not in str(logged)


async def test_a_provider_that_is_away_is_told_as_it_would_tell_and_logged_once() -> None:
    with capture_logs() as logged:
        async with served("http://127.0.0.1:1") as client:
            with client.access.turn(None):
                for _ in range(2):
                    async with client.post("/v1/messages", data=BODY) as answer:
                        assert await error(answer) == (502, "api_error")
    assert [entry["event"] for entry in logged] == ["the model provider cannot be reached: check MODEL_BASE_URL"]


async def test_who_has_left_is_not_served() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    async with ModelProxy("http://127.0.0.1:1", KEY) as proxy:
        await proxy.serve(listener, TOKEN, Access())
        await proxy.leave(TOKEN)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)


class EarlyProvider:
    """Answers as soon as it has read the headers, and keeps what comes on each connection."""

    def __init__(self) -> None:
        self.connections: list[bytearray] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came, answered = bytearray(), 0
        self.connections.append(came)
        while data := await reader.read(65536):
            came += data
            while answered < came.count(b"\r\n\r\n"):
                answered += 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
                await writer.drain()
        writer.close()


async def cut_short(address: tuple[str, int]) -> None:
    """Send less than is announced, as an agent that is killed does, or one that means harm."""
    _, writer = await asyncio.open_connection(*address)
    head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: {TOKEN}\r\nContent-Length: 100000\r\n\r\n"
    writer.write(head.encode() + BODY[:-1])
    await writer.drain()
    writer.close()


async def packed(agent: Agent) -> None:
    """Announce the length of a packed body, of which the plain form is shorter."""
    async with agent.post("/v1/messages", data=gzip.compress(BODY), headers={"Content-Encoding": "gzip"}):
        pass


async def test_no_request_arrives_as_the_body_of_another() -> None:
    provider = EarlyProvider()
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, served(url) as agent:
        with agent.access.turn(None):
            await cut_short(agent.address)
            await packed(agent)
            for _ in range(3):
                try:
                    async with agent.post("/v1/messages", data=b'{"model": "b"}') as answer:
                        await answer.read()
                except ClientError:
                    pass
    for came in provider.connections:
        head, _, rest = bytes(came).partition(b"\r\n\r\n")
        if announced := re.search(rb"content-length: ([0-9]+)", head.lower()):
            assert b"POST" not in rest[: int(announced.group(1))]
    assert any(b'{"model": "b"}' in came for came in provider.connections)
