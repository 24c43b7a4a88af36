"""MCP servers, their checks and their authorization: one module per subject."""

from contracts.mcp_registry.check import CheckEvent
from contracts.mcp_registry.server import LifecycleEvent

type ServerEvent = LifecycleEvent | CheckEvent
"""The events of a server. The unions of its parts are plain aliases, since folds and projections use `isinstance`."""
