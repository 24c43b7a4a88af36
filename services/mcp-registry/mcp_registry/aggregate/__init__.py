"""The aggregates of the mcp-registry service, one module per subject."""

from mcp_registry.aggregate.revocation import Revocation
from mcp_registry.aggregate.server import McpServer

__all__ = ["McpServer", "Revocation"]
