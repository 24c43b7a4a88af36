"""The aggregate of the mcp-registry service, one module per subject."""

from mcp_registry.aggregate.server import McpServer

__all__ = ["McpServer"]
