"""Definitions, tools and actors that the tests share."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from contracts.mcp_registry.values import ServerDefinition, Tool
from contracts.messages import Actor
from contracts.samples import USER

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
OWNER = Actor(user_id=UUID(USER), role="user")
STRANGER = Actor(user_id=UUID(int=7), role="user")
ADMIN = Actor(user_id=UUID(int=8), role="admin")
URL = "https://mcp.example.com/mcp"


def remote(**fields: Any) -> ServerDefinition:
    """Return the definition of an HTTP server."""
    return ServerDefinition.model_validate({"name": "tickets", "server_type": "HTTP", "url": URL, **fields})


def program(**fields: Any) -> ServerDefinition:
    """Return the definition of a STDIO server."""
    return ServerDefinition.model_validate({"name": "files", "server_type": "STDIO", "command": "files-mcp", **fields})


def tool(name: str, description: str = "") -> Tool:
    """Return a tool without parameters."""
    return Tool(name=name, description=description, input_schema={"type": "object"})
