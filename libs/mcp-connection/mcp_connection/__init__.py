"""Connections to MCP servers, which are treated as hostile: every message, answer and wait is bounded."""

from mcp_connection.callbacks import NO_CALLBACKS, Callbacks, Elicitation
from mcp_connection.connector import Connector
from mcp_connection.failures import ConnectionFailed
from mcp_connection.fingerprints import fingerprint
from mcp_connection.limits import PROGRAM_MEMORY_BYTES, ConnectionLimits

__all__ = [
    "NO_CALLBACKS",
    "PROGRAM_MEMORY_BYTES",
    "Callbacks",
    "ConnectionFailed",
    "ConnectionLimits",
    "Connector",
    "Elicitation",
    "fingerprint",
]
