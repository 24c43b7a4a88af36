"""MCP servers that the fake services return."""

from typing import Any

from contracts.mcp_registry.server import CreateServer, ServerExport
from contracts.mcp_registry.server_view import ServerSummary, ServerView
from contracts.samples import MCP_SERVER

mcp_server = ServerView.example
mcp_server_summary = ServerSummary.example


def exported_server(**changed: Any) -> ServerExport:
    definition = vars(CreateServer.example().definition)
    return ServerExport.model_validate(definition | {"id": MCP_SERVER, "is_enabled": True} | changed)
