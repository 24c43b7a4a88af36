"""MCP servers, their checks and their authorization: one module per subject."""

from contracts.mcp_registry.authorization import AuthorizationEvent
from contracts.mcp_registry.check import CheckEvent
from contracts.mcp_registry.refresh import RefreshEvent
from contracts.mcp_registry.server import LifecycleEvent

type ServerEvent = LifecycleEvent | CheckEvent | AuthorizationEvent | RefreshEvent
"""The events of a server. The unions of its parts are plain aliases, which it flattens."""
