"""Tests of connections to servers in memory: what is the same for all transports."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import NoReturn
from uuid import UUID

import pytest
from contracts.mcp_registry.values import ServerConnection, ServerDefinition
from contracts.refusals import Code
from mcp.server.mcpserver import MCPServer
from mcp_connection import ConnectionFailed
from mcp_connection.clients import Clients
from mcp_connection.testing import InMemoryConnector
from mcp_connection.upstream import Upstream


def connection(name: str = "test") -> ServerConnection:
    return ServerConnection(
        id=UUID(int=1), version=1, definition=ServerDefinition(name=name, server_type="HTTP", url="http://localhost")
    )


def server() -> MCPServer:
    app = MCPServer("calculator", version="1.2.3")

    @app.tool()
    def add(a: int, b: int) -> int:
        """Return the sum."""
        return a + b

    return app


@pytest.fixture
async def upstream() -> AsyncGenerator[Upstream]:
    async with InMemoryConnector({"test": server()}) as connector, connector.connect(connection()) as upstream:
        yield upstream


async def test_the_name_and_version_of_a_server_are_known(upstream: Upstream) -> None:
    assert (upstream.name, upstream.version) == ("calculator", "1.2.3")


async def test_all_tools_are_listed(upstream: Upstream) -> None:
    [tool] = await upstream.list_tools()
    assert (tool.name, tool.description) == ("add", "Return the sum.")


async def test_a_tool_is_called(upstream: Upstream) -> None:
    result = await upstream.call_tool("add", {"a": 1, "b": 2})
    assert result.structured_content == {"result": 3}


class WithoutList(MCPServer):
    async def list_tools(self) -> NoReturn:
        raise RuntimeError("no list today")


async def test_an_error_instead_of_the_tools_violates_the_protocol() -> None:
    connector = InMemoryConnector({"test": WithoutList("calculator")})
    async with connector, connector.connect(connection()) as upstream:
        with pytest.raises(ConnectionFailed, match="answered tools/list with an error") as failed:
            await upstream.list_tools()
    assert failed.value.code == Code.MCP_SERVER_INVALID


class Observed(InMemoryConnector):
    """Notes the clients of each connection."""

    clients: list[Clients]

    async def _load(self) -> Clients:
        clients = await super()._load()
        self.clients.append(clients)
        return clients


async def test_connections_that_are_opened_first_and_at_once_share_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.late_imports._loaded", {})  # so both wait for a thread
    async with Observed({"test": server()}) as connector, AsyncExitStack() as exits:
        connector.clients = []
        await asyncio.gather(*(exits.enter_async_context(connector.connect(connection())) for _ in range(2)))
    [one, other] = connector.clients
    assert one is other
