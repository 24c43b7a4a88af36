"""The command handlers of the mcp-registry service, one module per subject: load, let the aggregate decide, save."""

from eventing.handling import Handlers

from mcp_registry.handlers import authorization, catalog, check, refresh, revocation, server

handles = Handlers.merge(
    *(server.handles, check.handles, catalog.handles, authorization.handles, refresh.handles, revocation.handles),
)
