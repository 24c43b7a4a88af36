"""The dependencies of the mcp-registry service's handlers, queries and reactions."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from contracts.mcp_registry.values import ServerConnection, Tool
from contracts.refusals import Code
from eventing.actors import Actors
from eventing.database import Database
from eventing.handling import QueryContext, UnitOfWork
from runtime.bus import Bus, Client

from mcp_registry.commands import AllowedCommands
from mcp_registry.connections import Connections
from mcp_registry.settings import Settings


class ConnectionFailed(Exception):
    """A server could not be reached or used; `detail` is for users, without secrets."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


class Upstream(Protocol):
    """A connected server."""

    name: str | None
    version: str | None

    async def list_tools(self) -> list[Tool]:
        """Return the tools. Raises ConnectionFailed."""
        ...


class Connector(Protocol):
    """Connects to servers."""

    def connect(self, server: ServerConnection) -> AbstractAsyncContextManager[Upstream]:
        """Connect to a server for the time of a context. Raises ConnectionFailed."""
        ...


class NoConnector:
    """Connects to nothing."""

    def connect(self, server: ServerConnection) -> AbstractAsyncContextManager[Upstream]:
        """Refuse."""
        raise ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, f"{server.definition.name} cannot be reached.")


@dataclass(frozen=True)
class Dependencies:
    """What the service's handlers, queries and reactions use; a healthy server is checked every `check_seconds`."""

    connections: Connections
    connector: Connector
    check_seconds: float


type Work = UnitOfWork[Dependencies]
type Context = QueryContext[Dependencies]


@asynccontextmanager
async def dependencies(settings: Settings, database: Database, client: Client) -> AsyncGenerator[Dependencies]:
    """Create the dependencies; on exit, end all connections."""
    commands = AllowedCommands(settings.allowed_commands)
    connections = Connections(database, commands, Actors(Bus(client).ask))
    yield Dependencies(connections, NoConnector(), settings.mcp_check_seconds)
