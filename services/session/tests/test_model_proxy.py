"""The proxy between an agent and the model provider: what it forwards and what it refuses."""

import asyncio
import gzip
import re
import socket
from collections.abc import AsyncGenerator
from io import BytesIO

import pytest
from aiohttp import ClientError, ClientPayloadError
from runtime.testing import eventually
from session.agent.model_proxy import BODY_LIMIT, Access, ModelProxy
from structlog.testing import capture_logs

from services.session.tests.provider import (
    BODY,
    CUT_BYTES,
    KEY,
    STREAM,
    TOKEN,
    Provider,
    ProxyClient,
    error_of,
    events,
    proxied,
)


async def test_the_provider_receives_the_key_and_not_the_token(agent: ProxyClient, provider: Provider) -> None:
    async with agent.post("/v1/messages", data=BODY) as response:
        assert response.status == 200
    assert provider.requests[0].headers["x-api-key"] == KEY
    assert TOKEN not in str(provider.requests[0].headers)


async def test_a_bearer_token_is_accepted_and_removed(agent: ProxyClient, provider: Provider) -> None:
    headers = {"x-api-key": "", "Authorization": f"Bearer {TOKEN}"}
    async with agent.post("/v1/messages", data=BODY, headers=headers) as response:
        assert response.status == 200
    assert "authorization" not in provider.requests[0].headers


async def test_a_request_is_forwarded_unchanged(agent: ProxyClient, provider: Provider) -> None:
    headers = {"anthropic-beta": "effort-2025-11-24", "Content-Type": "application/json"}
    body = b'{"top_k": 1, "model": "m", "stop_sequences" : ["\\"model\\": "]}'
    async with agent.post("/v1/messages/count_tokens?beta=true", data=body, headers=headers):
        pass
    request = provider.requests[0]
    assert request.path_qs == "/base/v1/messages/count_tokens?beta=true"
    assert (request.headers["anthropic-beta"], request.headers["Content-Type"]) == (
        "effort-2025-11-24",
        "application/json",
    )
    assert provider.bodies == [body]


async def test_only_betas_and_headers_of_the_cli_are_forwarded(agent: ProxyClient, provider: Provider) -> None:
    betas = "mcp-client-2025-04-04, claude-code-20250219 ,files-api-2025-04-14"
    headers = {"anthropic-beta": betas, "X-App": "cli", "X-Forwarded-For": "1.2.3.4", "x-portkey-config": "other"}
    async with agent.post("/v1/messages", data=BODY, headers=headers):
        pass
    received = provider.requests[0].headers
    assert (received["anthropic-beta"], received["x-app"]) == ("claude-code-20250219", "cli")
    assert not {"X-Forwarded-For", "x-portkey-config"} & set(received)


async def test_a_body_with_what_the_provider_executes_is_refused(agent: ProxyClient, provider: Provider) -> None:
    body = b'{"model": "m", "mcp_servers": [{"type": "url", "url": "http://evil.example/"}]}'
    async with agent.post("/v1/messages", data=body) as response:
        assert await error_of(response) == (400, "invalid_request_error")
    assert not provider.requests


async def test_a_search_of_the_web_that_is_not_permitted_is_refused(agent: ProxyClient, provider: Provider) -> None:
    body = b'{"model": "m", "tools": [{"type": "web_search_20250305", "name": "web_search"}]}'
    async with agent.post("/v1/messages", data=body) as response:
        assert await error_of(response) == (403, "permission_error")
    assert not provider.requests


async def test_the_content_type_is_normalised_to_what_the_proxy_parsed(agent: ProxyClient, provider: Provider) -> None:
    async with agent.post("/v1/messages", data=BODY, headers={"Content-Type": "application/json; charset=utf-7"}):
        pass
    assert provider.requests[0].headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("headers", [{"x-api-key": "another"}, {"x-api-key": ""}])
async def test_a_request_without_the_token_is_refused(
    agent: ProxyClient, provider: Provider, headers: dict[str, str]
) -> None:
    async with agent.post("/v1/messages", data=BODY, headers=headers) as response:
        assert await error_of(response) == (401, "authentication_error")
    assert not provider.requests


@pytest.mark.parametrize("path", ["/v1/models", "/v1/messages/batches", "/", "/v1/files", "/v1/messages/../files"])
async def test_other_routes_are_not_forwarded(agent: ProxyClient, provider: Provider, path: str) -> None:
    async with agent.post(path, data=BODY) as response:
        assert response.status == 404
    assert not provider.requests


async def test_get_requests_are_not_forwarded(agent: ProxyClient, provider: Provider) -> None:
    async with agent.client.get("/v1/messages") as response:
        assert response.status == 405
    assert not provider.requests


async def test_a_response_is_streamed_as_it_arrives(agent: ProxyClient, provider: Provider) -> None:
    async with agent.post("/v1/messages?respond=stream", data=BODY) as response:
        assert await response.content.readany() == events(*STREAM[:2])
        provider.released.set()
        assert await response.content.read() == events(*STREAM[2:])


async def test_a_compressed_response_is_decompressed(agent: ProxyClient, provider: Provider) -> None:
    async with agent.post("/v1/messages?respond=gzip", data=BODY) as response:
        assert await response.read() == b"packed"
    assert provider.requests[0].headers["Accept-Encoding"] == "identity"


async def test_headers_that_identify_the_operator_are_removed(agent: ProxyClient) -> None:
    async with agent.post("/v1/messages?respond=headers", data=BODY) as response:
        assert response.headers["request-id"] == "r"
        assert not {"anthropic-organization-id", "Set-Cookie"} & set(response.headers)


async def test_an_error_of_the_provider_is_forwarded(agent: ProxyClient) -> None:
    async with agent.post("/v1/messages?respond=overloaded", data=BODY) as response:
        assert (response.status, response.headers["Retry-After"]) == (529, "7")


async def test_an_aborted_response_is_aborted_for_the_agent_too(agent: ProxyClient, provider: Provider) -> None:
    async with agent.post("/v1/messages?respond=abort", data=BODY) as response:
        await response.content.readany()
        provider.released.set()
        with pytest.raises(ClientPayloadError):
            await response.read()


async def test_all_that_was_received_of_a_response_that_is_cut_arrives(agent: ProxyClient, provider: Provider) -> None:
    provider.released.set()
    agent.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(agent.address)
        head = f"POST /v1/messages?respond=cut HTTP/1.1\r\nHost: m\r\nx-api-key: {TOKEN}\r\nContent-Length: {len(BODY)}"
        slow.sendall(f"{head}\r\n\r\n".encode() + BODY)
        await eventually(lambda: provider.requests and not agent.access.in_use)
        received = await asyncio.to_thread(lambda: b"".join(iter(lambda: slow.recv(2**16), b"")))
    assert (received.count(0), received.endswith(b"0\r\n\r\n")) == (CUT_BYTES, False)


async def test_a_request_is_aborted_when_its_agent_ends(agent: ProxyClient, provider: Provider) -> None:
    async with agent.post("/v1/messages?respond=stream", data=BODY) as response:
        await response.content.readany()
        response.close()
    async with asyncio.timeout(60):
        await provider.disconnected.wait()


async def test_a_request_that_is_too_large_is_refused(agent: ProxyClient, provider: Provider) -> None:
    async with agent.post("/v1/messages", data=BytesIO(bytes(BODY_LIMIT + 1))) as response:
        assert await error_of(response) == (413, "request_too_large")
    assert not provider.requests


async def test_a_request_of_unknown_length_is_refused(agent: ProxyClient, provider: Provider) -> None:
    async def body() -> AsyncGenerator[bytes]:
        yield BODY

    async with agent.post("/v1/messages", data=body()) as response:
        assert response.status == 411
    assert not provider.requests


async def test_a_rejected_key_is_logged_once_and_without_the_key(agent: ProxyClient) -> None:
    with capture_logs() as logged:
        for _ in range(3):
            async with agent.post("/v1/messages?respond=unauthorized", data=BODY) as response:
                assert response.status == 401
    assert [entry["event"] for entry in logged] == ["model provider rejected the key: check MODEL_API_KEY"]
    assert KEY not in str(logged)


async def test_an_unreachable_provider_is_an_api_error_and_logged_once() -> None:
    with capture_logs() as logged:
        async with proxied("http://127.0.0.1:1") as client:
            with client.access.turn(None):
                for _ in range(2):
                    async with client.post("/v1/messages", data=BODY) as response:
                        assert await error_of(response) == (502, "api_error")
    assert [entry["event"] for entry in logged] == ["model provider unreachable: check MODEL_BASE_URL"]


async def test_an_agent_is_not_served_after_it_left() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    async with ModelProxy("http://127.0.0.1:1", KEY) as proxy:
        await proxy.serve(listener, TOKEN, Access())
        await proxy.stop_serving(TOKEN)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)


class EarlyProvider:
    """A provider that responds as soon as it has read the headers, and records the bytes of each connection."""

    def __init__(self) -> None:
        self.connections: list[bytearray] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received, responses = bytearray(), 0
        self.connections.append(received)
        while data := await reader.read(65536):
            received += data
            while responses < received.count(b"\r\n\r\n"):
                responses += 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
                await writer.drain()
        writer.close()


async def send_incomplete(address: tuple[str, int]) -> None:
    """Send fewer bytes than announced, like an agent that is killed, or a hostile one."""
    _, writer = await asyncio.open_connection(*address)
    head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: {TOKEN}\r\nContent-Length: 100000\r\n\r\n"
    writer.write(head.encode() + BODY[:-1])
    await writer.drain()
    writer.close()


async def send_compressed(agent: ProxyClient) -> None:
    """Announce the length of a compressed body, whose decompressed form is shorter."""
    async with agent.post("/v1/messages", data=gzip.compress(BODY), headers={"Content-Encoding": "gzip"}):
        pass


async def test_no_request_is_smuggled_in_the_body_of_another() -> None:
    provider = EarlyProvider()
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, proxied(url) as agent:
        with agent.access.turn(None):
            await send_incomplete(agent.address)
            await send_compressed(agent)
            for _ in range(3):
                try:
                    async with agent.post("/v1/messages", data=b'{"model": "b"}') as response:
                        await response.read()
                except ClientError:
                    pass
    for received in provider.connections:
        head, _, rest = bytes(received).partition(b"\r\n\r\n")
        if announced := re.search(rb"content-length: ([0-9]+)", head.lower()):
            assert b"POST" not in rest[: int(announced.group(1))]
    assert any(b'{"model": "b"}' in received for received in provider.connections)
