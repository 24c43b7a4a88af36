"""MCP servers for tests, as the registry describes them."""

from collections.abc import Iterable
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from contracts.mcp_registry.values import ResolvedServer, ServerConnection, ServerDefinition, Tool
from mcp.server.mcpserver import MCPServer
from mcp_connection import fingerprint

SECRET = "a-secret-of-the-server"


def resolved(name: str, reference: str | None = None, **fields: Any) -> ResolvedServer:
    """Return a server of this name, which accepts all its tools unless `accepted_tools` is given."""
    definition = {"name": name, "server_type": "HTTP", "url": "http://mcp.example.org"} | fields.pop("definition", {})
    connection = ServerConnection(
        id=uuid5(NAMESPACE_OID, name),
        version=1,
        definition=ServerDefinition.model_validate(definition),
        **{"headers": {"Authorization": f"Bearer {SECRET}"}, **fields},
    )
    return ResolvedServer(reference=reference or name, connection=connection)


def accepted(tools: Iterable[Tool]) -> dict[str, str]:
    """Return the fingerprints of tools, as an owner accepts them."""
    return {tool.name: fingerprint(tool) for tool in tools}


def echo_server(description: str = "Returns the text.") -> MCPServer:
    """Return a server with tools that behave in different ways."""
    server = MCPServer("lab")

    async def echo(text: str) -> str:
        return text

    async def fail() -> str:
        raise ValueError(f"no luck with {SECRET}")

    server.add_tool(echo, description=description)
    server.add_tool(fail, description="Fails.")
    return server
