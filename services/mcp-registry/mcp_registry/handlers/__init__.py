"""The command handlers of the mcp-registry service, one module per subject: load, let the aggregate decide, save."""

from eventing.handling import Handlers

from mcp_registry.handlers import check, server

handles = Handlers.merge(server.handles, check.handles)
