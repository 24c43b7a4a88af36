"""Test support: servers of the official package, in memory or as programs, and hostile ones."""

from mcp_connection.testing.memory import InMemoryConnector
from mcp_connection.testing.programs import Started, started, stdio_command

__all__ = ["InMemoryConnector", "Started", "started", "stdio_command"]
