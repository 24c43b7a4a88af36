"""The query handlers of the mcp-registry service, which read its read models: one module per subject."""

from eventing.handling import Handlers

from mcp_registry.queries import server

answers = Handlers.merge(server.answers)
