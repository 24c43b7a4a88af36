"""What passes between an agent and the model provider, and what does not."""

import asyncio
import gzip
import re
import socket
from collections.abc import AsyncGenerator
from io import BytesIO

import pytest
from aiohttp import ClientError, ClientPayloadError
from session.agent.model_proxy import BODY_LIMIT, Access, ModelProxy
from structlog.testing import capture_logs

from services.session.tests.provider import BODY, KEY, STREAM, TOKEN, Agent, Provider, error, events, served


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
    assert [entry["event"] for entry in logged] == ["model provider rejected the key: check MODEL_API_KEY"]
    assert KEY not in str(logged)


async def test_a_provider_that_is_away_is_told_as_it_would_tell_and_logged_once() -> None:
    with capture_logs() as logged:
        async with served("http://127.0.0.1:1") as client:
            with client.access.turn(None):
                for _ in range(2):
                    async with client.post("/v1/messages", data=BODY) as answer:
                        assert await error(answer) == (502, "api_error")
    assert [entry["event"] for entry in logged] == ["model provider unreachable: check MODEL_BASE_URL"]


async def test_who_has_left_is_not_served() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    async with ModelProxy("http://127.0.0.1:1", KEY) as proxy:
        await proxy.serve(listener, TOKEN, Access())
        await proxy.stop_serving(TOKEN)
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
