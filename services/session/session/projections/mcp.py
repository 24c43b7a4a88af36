"""The MCP servers in the read model of runs."""

from typing import Any, assert_never

from contracts.session.mcp import McpEvent, McpServersConnected
from eventing.database import Connection
from eventing.recording import Recorded


async def project_mcp(event: McpEvent, _recorded: Recorded[Any], db: Connection) -> None:
    """Update the read model with one event about MCP servers."""
    match event:
        case McpServersConnected():
            servers = [server.model_dump(mode="json") for server in event.servers]
            await db.execute("UPDATE runs SET mcp_servers = $2 WHERE id = $1", event.run_id, servers)
        case _:
            assert_never(event)
