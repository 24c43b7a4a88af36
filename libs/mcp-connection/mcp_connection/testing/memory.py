"""Test support: a connector to servers in memory."""

from collections.abc import Mapping
from pathlib import Path

from contracts.mcp_registry.values import ServerConnection
from contracts.refusals import Code
from mcp.client import Transport
from mcp.client._memory import InMemoryTransport
from mcp.server.mcpserver import MCPServer
from runtime.http.addresses import AddressRules

from mcp_connection.clients import Clients
from mcp_connection.connector import Connector
from mcp_connection.failures import ConnectionFailed
from mcp_connection.limits import DEFAULT_LIMITS, ConnectionLimits
from mcp_connection.transports import FailureReport


class InMemoryConnector(Connector):
    """Connects to the server whose name a definition has; all but the transport is as in a real connection."""

    def __init__(self, servers: Mapping[str, MCPServer], limits: ConnectionLimits = DEFAULT_LIMITS) -> None:
        super().__init__(None, AddressRules(), limits)
        self._servers = servers

    async def _load(self) -> Clients:
        clients = await super()._load()
        clients.transports = dict.fromkeys(("STDIO", "HTTP", "SSE"), self._transport)
        return clients

    def _transport(self, server: ServerConnection, workspace: Path | None, report: FailureReport) -> Transport:
        name = server.definition.name
        if name not in self._servers:
            raise ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, f"There is no server {name}.")
        return InMemoryTransport(self._servers[name])
