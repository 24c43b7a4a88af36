"""OAuth for MCP servers, as the MCP specification says: the adapter to authorization servers."""

from dataclasses import dataclass

from mcp_registry.oauth.requests import Requests


@dataclass(frozen=True)
class OAuth:
    """How to reach authorization servers, and where they send users back; None if the operator has not set that."""

    requests: Requests
    redirect_uri: str | None
