"""The handlers, queries and checks of the mcp-registry service, on a database of their own, without any MCP server."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from contracts.mcp_registry.check import AcceptTools, CheckRequested, CheckServer
from contracts.mcp_registry.server import CreateServer, GetServer, UpdateServer
from contracts.mcp_registry.server_view import ServerView
from contracts.mcp_registry.values import ServerConnection, ServerDefinition, ServerSecrets, Tool
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from eventing.actors import Actors
from eventing.database import Database
from eventing.testing import harness
from eventing.testing.due import set_clocks
from mcp_connection import ConnectionFailed, Connector
from mcp_registry.app import service
from mcp_registry.catalog import Catalog
from mcp_registry.commands import AllowedCommands
from mcp_registry.dependencies import Dependencies
from mcp_registry.oauth import OAuth
from mcp_registry.reactions.check import CheckServerJob
from mcp_registry.servers import Servers
from runtime.bus.envelope import Envelope
from runtime.clock import new_id
from sandbox import Sandbox

from .samples import ADMIN, NOON, OWNER, STRANGER, program, remote, tool
from .scripted_server import REDIRECT_URI, ScriptedServer

CHECK_SECONDS = 900.0
CATALOG = Path(__file__).with_name("catalog.json")
TABLES = "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'mcp_registry'"


@dataclass
class FakeUpstream:
    """A connected server that lists `tools`."""

    tools: list[Tool]
    name: str = "Tickets"
    version: str = "1.2"

    async def list_tools(self) -> list[Tool]:
        """Return the tools."""
        return self.tools


class FakeConnector:
    """Connects to a server that lists `tools`, unless `failure` is set; `meanwhile` is called before."""

    def __init__(self) -> None:
        self.sandbox = Sandbox(None)
        self.tools = [tool("search")]
        self.failure: Exception | None = None
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        self.connected = list[ServerConnection]()

    @asynccontextmanager
    async def connect(self, server: ServerConnection) -> AsyncGenerator[FakeUpstream]:
        """Connect."""
        self.connected.append(server)
        if self.meanwhile:
            await self.meanwhile()
        if self.failure:
            raise self.failure
        yield FakeUpstream(self.tools)


class FakeActors:
    """The users and their present roles; a user who is not among them was deleted."""

    def __init__(self) -> None:
        self.known = {actor.user_id: actor for actor in (OWNER, STRANGER, ADMIN)}

    async def current(self, user_id: UUID, _envelope: Envelope) -> Actor:
        """Return a user."""
        if user_id not in self.known:
            raise Refusal(Code.USER_NOT_FOUND, "There is no such user.")
        return self.known[user_id]


class Desk(harness.ServiceHarness):
    """The handlers and queries, used by `OWNER` unless another actor is named."""

    actor = OWNER

    def __init__(self, database: Database, clock: pytest.MonkeyPatch) -> None:
        self._clock, self.connector, self.actors = clock, FakeConnector(), FakeActors()
        self.at(NOON)
        commands = AllowedCommands(frozenset({"files-mcp"}))
        self.servers = Servers(database, commands, cast(Actors, self.actors))
        self.authorization_server = ScriptedServer.with_metadata()
        oauth = OAuth(self.authorization_server.sender(), REDIRECT_URI)
        self.dependencies = Dependencies(
            self.servers, cast(Connector, self.connector), CHECK_SECONDS, Catalog.load(CATALOG), oauth
        )
        super().__init__(service, database, self.dependencies)

    def at(self, now: datetime) -> None:
        """Set the clock."""
        set_clocks(self._clock.setattr, lambda: now)

    async def create(
        self, definition: ServerDefinition | None = None, actor: Actor = OWNER, **secrets: dict[str, str]
    ) -> ServerView:
        """Create a server, of type HTTP unless a definition is passed."""
        command = CreateServer(
            server_id=new_id(), definition=definition or remote(), secrets=ServerSecrets.model_validate(secrets)
        )
        return await self.send(command, actor)

    async def create_program(self, actor: Actor = OWNER, **env: str) -> ServerView:
        """Create a STDIO server with an environment."""
        return await self.create(program(), actor, env=env)

    async def create_global(self, definition: ServerDefinition | None = None, **secrets: dict[str, str]) -> ServerView:
        """Create a global server of an admin."""
        definition = (definition or remote()).model_copy(update={"is_global": True})
        return await self.create(definition, ADMIN, **secrets)

    async def update(self, server_id: UUID, actor: Actor = OWNER, **changes: Any) -> ServerView:
        """Change fields of a server."""
        return await self.send(UpdateServer.model_validate({"server_id": server_id, "changes": changes}), actor)

    async def latest(self, server_id: UUID, actor: Actor = ADMIN) -> ServerView:
        """Return a server as it is now."""
        return await self.ask(GetServer(server_id=server_id), actor)

    async def request_check(self, server_id: UUID) -> UUID:
        """Request a check, and return its id."""
        return await self.send(CheckServer(server_id=server_id, check_id=new_id()))

    async def check(self, server_id: UUID, *tools: Tool, failure: Exception | None = None) -> ServerView:
        """Carry out the check in progress, or another one, with this result; return the server."""
        await self.request_check(server_id)
        self.connector.tools, self.connector.failure = [*tools], failure
        await self.do_job(server_id)
        return await self.latest(server_id)

    async def accept(self, server_id: UUID) -> ServerView:
        """Accept the tools of a server as they are now."""
        version = (await self.latest(server_id)).tools_version
        return await self.send(AcceptTools(server_id=server_id, tools_version=version))

    async def do_job(self, server_id: UUID) -> None:
        """Do the job that the latest request of a check started."""
        await self.do(CheckServerJob, CheckRequested, server_id)

    async def give_up(self, server_id: UUID) -> None:
        """Give up the job that the latest request of a check started."""
        await self.give_up_job(CheckServerJob, CheckRequested, server_id)

    async def due(self) -> list[datetime]:
        """Return the times of the next checks."""
        return [row["at"] for row in await self.database.fetch("SELECT at FROM due WHERE kind = 'check' ORDER BY at")]

    async def found(self, *texts: str) -> list[str]:
        """Return those of the texts that any table holds, as they are or as bytes."""
        tables = [row["name"] for row in await self.database.fetch(TABLES)]
        assert {"events", "servers"} <= {*tables}
        rows = [await self.database.fetch(f"SELECT t::text AS content FROM {name} AS t") for name in tables]  # noqa: S608
        content = "\n".join(row["content"] for table in rows for row in table)
        return [text for text in texts if text in content or text.encode().hex() in content]

    async def in_progress(self) -> list[UUID]:
        """Return the checks in progress."""
        rows = await self.database.fetch("SELECT checking FROM servers WHERE checking IS NOT NULL")
        return [row["checking"] for row in rows]


def unavailable() -> ConnectionFailed:
    """Return the failure of a server that cannot be reached."""
    return ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, "The connection was refused.")
