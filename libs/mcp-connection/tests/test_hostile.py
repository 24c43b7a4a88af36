"""Tests of connections to a server that misbehaves."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator
from uuid import UUID

import pytest
from contracts.mcp_registry.values import ServerConnection, ServerDefinition, ServerType, Tool
from contracts.refusals import Code
from mcp_connection import ConnectionFailed, ConnectionLimits, Connector
from mcp_connection.testing.hostile import hostile
from onebox.testing.cases import every_case
from runtime.http.addresses import AddressRules

pytestmark = pytest.mark.usefixtures("servers")

PATIENT = ConnectionLimits(connect_seconds=60, list_seconds=60, close_seconds=0.5)
IMPATIENT = ConnectionLimits(connect_seconds=1, list_seconds=60, close_seconds=0.5)
IMPATIENT_LATER = ConnectionLimits(connect_seconds=60, list_seconds=1, close_seconds=0.5)
INVALID, UNAVAILABLE = Code.MCP_SERVER_INVALID, Code.MCP_SERVER_UNAVAILABLE
TIMEOUT, UNAUTHORIZED = Code.MCP_SERVER_TIMEOUT, Code.AUTHORIZATION_REQUIRED


@pytest.fixture
async def origin() -> AsyncGenerator[str]:
    async with hostile() as origin:
        yield origin


async def list_tools(
    url: str, rules: str = "127.0.0.1", server_type: ServerType = "HTTP", limits: ConnectionLimits = PATIENT
) -> list[Tool]:
    definition = ServerDefinition(name="hostile", server_type=server_type, url=url)
    server = ServerConnection(id=UUID(int=1), version=1, definition=definition)
    connector = Connector(None, AddressRules.parse(rules), limits)
    async with connector, connector.connect(server) as upstream:
        return await upstream.list_tools()


@every_case(
    "mode, code, detail",
    [
        ("unauthorized", UNAUTHORIZED, "401"),
        ("scope", UNAUTHORIZED, "larger scope"),
        ("forbidden", UNAVAILABLE, "status 403"),
        ("broken", UNAVAILABLE, "status 500"),
        ("redirect", UNAVAILABLE, "redirects to another address"),
        ("redirect-loop", UNAVAILABLE, "redirects"),
        ("web-page", INVALID, "did not agree"),
        ("not-json", INVALID, "did not agree"),
        ("other-version", INVALID, "version"),
        ("endless-body", INVALID, "exceeds 8192 KiB"),
        ("endless-line", INVALID, "more than 8192 KiB"),
        ("endless-pages", INVALID, "more than 100 pages"),
        ("many-tools", INVALID, "more than 500"),
        ("too-many-tools", INVALID, "exceeds 8192 KiB"),
        ("long-descriptions", INVALID, "exceed 512 KiB"),
        ("long-name", INVALID, "1 to 128 printable"),
        ("same-name", INVALID, "same name"),
        ("deep-schema", INVALID, "nested too deeply"),
        ("deep-message", INVALID, "not a message"),
        ("many-values", INVALID, "more than 250000 values"),
        ("many-items", INVALID, "more than 2000 items"),
        ("infinite-number", INVALID, "out of range"),
        ("long-number", INVALID, "not a message"),
        ("nul-character", INVALID, "NUL"),
        ("compressed", INVALID, "compressed"),
        ("broken-off", UNAVAILABLE, "closed the connection"),
    ],
)
async def test_a_hostile_server_fails_within_bounds(origin: str, mode: str, code: Code, detail: str) -> None:
    with pytest.raises(ConnectionFailed, match=detail) as raised:
        await list_tools(f"{origin}/{mode}")
    assert raised.value.code == code


async def test_a_server_that_takes_too_long_is_given_up(origin: str) -> None:
    async def give_up(path: str, detail: str, limits: ConnectionLimits, server_type: ServerType = "HTTP") -> None:
        with pytest.raises(ConnectionFailed, match=detail) as raised:
            await list_tools(f"{origin}/{path}", limits=limits, server_type=server_type)
        assert raised.value.code == TIMEOUT, path

    async with asyncio.TaskGroup() as tasks:  # each is impatient at one step only, for which a slow machine takes time
        tasks.create_task(give_up("hang", "within 1 second", IMPATIENT))
        tasks.create_task(give_up("drip", "within 1 second", IMPATIENT))
        tasks.create_task(give_up("sse/hang", "within 1 second", IMPATIENT, "SSE"))
        tasks.create_task(give_up("endless-comments", "tools/list", IMPATIENT_LATER))
        tasks.create_task(give_up("endless-notifications", "tools/list", IMPATIENT_LATER))
        tasks.create_task(give_up("hanging-list", "tools/list within 1 second", IMPATIENT_LATER))


@every_case(
    "path, code, detail",
    [
        ("sse/forbidden", UNAVAILABLE, "status 403"),
        ("sse/unauthorized", UNAUTHORIZED, "401"),
        ("sse/redirect", UNAVAILABLE, "redirects"),
        ("no-events", UNAVAILABLE, "status 405"),
    ],
)
async def test_rejected_messages_end_a_connection_over_sse(origin: str, path: str, code: Code, detail: str) -> None:
    with pytest.raises(ConnectionFailed, match=detail) as raised:
        await list_tools(f"{origin}/{path}", server_type="SSE")
    assert raised.value.code == code


async def test_the_challenge_of_a_server_is_known(origin: str) -> None:
    with pytest.raises(ConnectionFailed) as raised:
        await list_tools(f"{origin}/unauthorized")
    assert raised.value.challenge == 'Bearer resource_metadata="https://auth.test/x"'


async def test_the_model_and_the_files_of_the_client_are_not_offered(origin: str) -> None:
    assert await list_tools(f"{origin}/demanding") == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://localhost:1/"])
async def test_a_refused_connection_is_unavailable(url: str) -> None:
    with pytest.raises(ConnectionFailed, match="refused the connection") as raised:
        await list_tools(url, rules="127.0.0.1, localhost")
    assert raised.value.code == UNAVAILABLE


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://[::1]:1/", "http://2130706433/", "http://user:secret@1.1.1.1/", "ftp://x/"]
)
async def test_forbidden_addresses_are_not_connected(url: str) -> None:
    with pytest.raises(ConnectionFailed) as raised:
        await list_tools(url, rules="")
    assert raised.value.code == Code.ADDRESS_NOT_ALLOWED
    assert "secret" not in raised.value.detail


async def test_a_host_that_does_not_exist_is_unavailable() -> None:
    with pytest.raises(ConnectionFailed, match="not found") as raised:
        await list_tools("http://no-such-host.invalid/")
    assert raised.value.code == UNAVAILABLE


async def test_a_server_without_tls_has_no_tls() -> None:
    async def answer(_: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        with pytest.raises(ConnectionFailed, match=r"TLS connection|lost"):
            await list_tools(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
