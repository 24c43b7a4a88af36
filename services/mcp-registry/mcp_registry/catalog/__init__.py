"""The catalog: MCP servers of the public registry, read from a snapshot, and how to install them."""

from mcp_registry.catalog.installing import installed
from mcp_registry.catalog.snapshot import Catalog

__all__ = ["Catalog", "installed"]
