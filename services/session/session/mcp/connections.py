"""The connections of a replica to MCP servers, whose number is bounded."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, Self

from contracts.mcp_registry.values import ServerConnection
from contracts.refusals import Code
from mcp_connection import Callbacks, ConnectionFailed, Upstream
from prometheus_client import Gauge

MAX_CONNECTIONS = 512

open_connections = Gauge("mcp_connections", "Open connections of sessions to MCP servers")


class Connects(Protocol):
    """The method that is used of a `Connector`."""

    def connect(
        self, server: ServerConnection, *, workspace: Path | None, callbacks: Callbacks
    ) -> AbstractAsyncContextManager[Upstream]:
        """Connect to a server for the duration of the context."""
        ...


class Connections:
    """Opens connections for all agents of a replica."""

    def __init__(self, connector: Connects, limit: int = MAX_CONNECTIONS) -> None:
        self._connector, self._limit, self._open = connector, limit, 0

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
        self, server: ServerConnection, workspace: Path, callbacks: Callbacks
    ) -> AsyncGenerator[Upstream]:
        """Connect to a server for the duration of the context.

        Raises:
            ConnectionFailed: the server is not available, or this replica has too many connections.
        """
        if self._open >= self._limit:
            raise ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, "The service has too many connections to MCP servers.")
        self._open += 1
        open_connections.inc()
        try:
            async with self._connector.connect(server, workspace=workspace, callbacks=callbacks) as upstream:
                yield upstream
        finally:
            self._open -= 1
            open_connections.dec()
