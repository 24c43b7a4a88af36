"""The connections of a replica to MCP servers, whose number is bounded."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Coroutine, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self
from uuid import UUID

from contracts.mcp_registry.values import ServerConnection
from contracts.refusals import Code
from mcp_connection import Callbacks, ConnectionFailed
from prometheus_client import Gauge
from runtime.metrics import metrics_of

if TYPE_CHECKING:
    from mcp_connection.upstream import Upstream

open_connections = Gauge(
    "mcp_connections", "Open connections of sessions to MCP servers", registry=metrics_of("session")
)


class Connects(Protocol):
    """The method that is used of a `Connector`."""

    def connect(
        self, server: ServerConnection, *, workspace: Path | None, callbacks: Callbacks
    ) -> "AbstractAsyncContextManager[Upstream]":
        """Connect to a server for the duration of the context."""
        ...


@dataclass(frozen=True)
class Bounds:
    """How many connections a replica opens, how many of them for one user, and how many STDIO servers for one user.

    One user can therefore take a quarter of what a replica has, also of the programs (`ConnectionLimits`).
    """

    connections: int = 512
    user_connections: int = 128
    user_programs: int = 32


DEFAULT_BOUNDS = Bounds()


class Connections:
    """Opens connections for all agents of a replica."""

    def __init__(self, connector: Connects, bounds: Bounds = DEFAULT_BOUNDS) -> None:
        self._connector, self._bounds = connector, bounds
        self._open, self._programs = Counter[UUID | None](), Counter[UUID | None]()

    async def __aenter__(self) -> Self:
        """Start to accept work."""
        self._tasks = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Wait until all work has ended."""
        await self._tasks.__aexit__(None, None, None)

    def run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work`, which must not raise, in a task of its own: it may outlive its agent's start."""
        return self._tasks.create_task(work)

    @asynccontextmanager
    async def connect(
        self, user_id: UUID | None, server: ServerConnection, workspace: Path, callbacks: Callbacks
    ) -> "AsyncGenerator[Upstream]":
        """Connect to a server for the duration of the context, for an agent of a user.

        Raises:
            ConnectionFailed: the server is not available, or this replica or the user has too many connections.
        """
        is_program = server.definition.server_type == "STDIO"
        with self._counted(user_id, is_program=is_program):
            async with self._connector.connect(server, workspace=workspace, callbacks=callbacks) as upstream:
                yield upstream

    @contextmanager
    def _counted(self, user_id: UUID | None, *, is_program: bool) -> Generator[None]:
        self._check(user_id, is_program=is_program)
        counters = [self._open, self._programs] if is_program else [self._open]
        for counter in counters:
            counter[user_id] += 1
        open_connections.inc()
        try:
            yield
        finally:
            open_connections.dec()
            for counter in counters:
                counter[user_id] -= 1
                if not counter[user_id]:
                    del counter[user_id]

    def _check(self, user_id: UUID | None, *, is_program: bool) -> None:
        if self._open.total() >= self._bounds.connections:
            raise ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, "The service has too many connections to MCP servers.")
        if self._open[user_id] >= self._bounds.user_connections:
            raise ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, "The user has too many connections to MCP servers.")
        if is_program and self._programs[user_id] >= self._bounds.user_programs:
            raise ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, "The user has too many STDIO servers running.")
