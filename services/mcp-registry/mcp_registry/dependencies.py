"""The dependencies of the mcp-registry service's handlers, queries and reactions."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from eventing.actors import Actors
from eventing.database import Database
from eventing.handling import QueryContext, UnitOfWork
from mcp_connection import ConnectionLimits, Connector
from runtime.bus import Bus, Client
from runtime.http.guarded_client import guarded_client
from runtime.http.health import Check
from sandbox import Resources
from sandbox.required import check_of, find_sandbox

from mcp_registry.catalog import Catalog
from mcp_registry.commands import AllowedCommands
from mcp_registry.oauth import OAuth
from mcp_registry.oauth.requests import MAX_RESPONSE_BYTES, Requests
from mcp_registry.servers import Servers
from mcp_registry.settings import Settings

WITHOUT_SANDBOX = "STDIO servers are not started, because there is no sandbox"


@dataclass(frozen=True)
class Dependencies:
    """Dependencies of handlers, queries and reactions; a healthy server is checked every `check_seconds`."""

    servers: Servers
    connector: Connector
    check_seconds: float
    catalog: Catalog
    oauth: OAuth


type Work = UnitOfWork[Dependencies]
type Context = QueryContext[Dependencies]


@asynccontextmanager
async def dependencies(settings: Settings, database: Database, client: Client) -> AsyncGenerator[Dependencies]:
    """Create the dependencies; on exit, end all connections.

    Raises:
        CannotStart: a required sandbox is missing.
    """
    sandbox = await find_sandbox(WITHOUT_SANDBOX, required=settings.sandbox_required)
    catalog = await asyncio.to_thread(Catalog.load, settings.mcp_catalog_file)
    commands = AllowedCommands(settings.allowed_commands)
    limits = ConnectionLimits(program_resources=Resources(settings.mcp_program_memory_bytes))
    servers = Servers(database, commands, Actors(Bus(client).ask))
    async with (
        Connector(sandbox, settings.address_rules, limits, readable=settings.program_dirs) as connector,
        guarded_client(settings.address_rules, MAX_RESPONSE_BYTES) as http,
    ):
        oauth = OAuth(Requests(http, settings.address_rules), settings.redirect_uri)
        yield Dependencies(servers, connector, settings.mcp_check_seconds, catalog, oauth)


def checks(dependencies: Dependencies) -> dict[str, Check]:
    """Return the checks for readiness that only this service has."""
    return {"sandbox": check_of(dependencies.connector.sandbox, WITHOUT_SANDBOX)}
