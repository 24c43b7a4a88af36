"""Handlers of commands about the catalog."""

from contracts.mcp_registry.catalog import InstallServer
from contracts.mcp_registry.server import CreateServer
from eventing.handling import Handlers

from mcp_registry.catalog import installed
from mcp_registry.dependencies import Work
from mcp_registry.handlers.server import create_server

handles = Handlers()


@handles
async def install_server(command: InstallServer, work: Work) -> None:
    """Create a server from the catalog for the actor."""
    entry = work.dependencies.catalog.find(command.reference, command.entry_version)
    definition, secrets = installed(entry, command)
    await create_server(CreateServer(server_id=command.server_id, definition=definition, secrets=secrets), work)
