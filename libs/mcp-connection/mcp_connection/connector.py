"""Opens connections to servers. The first one loads the MCP library: 16 MiB, and 0.3 s of a processor in a thread."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from contracts.mcp_registry.values import ServerConnection
from runtime.http.addresses import AddressRules
from runtime.late_imports import load
from sandbox import Sandbox

from mcp_connection.callbacks import NO_CALLBACKS, Callbacks
from mcp_connection.limits import DEFAULT_LIMITS, ConnectionLimits
from mcp_connection.variables import check_variables

if TYPE_CHECKING:
    from mcp_connection.clients import Clients
    from mcp_connection.stdio import StdioTransport
    from mcp_connection.upstream import Upstream


class Connector:
    """Connects to servers, each in a task of its own. One per process, an asynchronous context manager."""

    def __init__(
        self,
        sandbox: Sandbox | None,
        rules: AddressRules,
        limits: ConnectionLimits = DEFAULT_LIMITS,
        *,
        readable: tuple[Path, ...] = (),
    ) -> None:
        self.sandbox, self.limits = sandbox or Sandbox(None), limits
        self._rules, self._readable = rules, readable
        self._clients: Clients | None = None
        self._exits = ExitStack()

    async def __aenter__(self) -> Self:
        self._tasks = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        with self._exits:
            await self._tasks.__aexit__(None, None, None)

    @asynccontextmanager
    async def connect(
        self, server: ServerConnection, *, workspace: Path | None = None, callbacks: Callbacks = NO_CALLBACKS
    ) -> "AsyncGenerator[Upstream]":
        """Connect to a server for the duration of the context. Raise ConnectionFailed if that is not possible."""
        check_variables(server)
        clients = self._clients or await self._load()
        async with clients.connect(server, workspace, callbacks) as upstream:
            yield upstream

    async def _load(self) -> "Clients":
        module = await load("mcp_connection.clients")
        if self._clients is None:  # another connection may have been opened meanwhile
            stdio: StdioTransport = module.StdioTransport(self.sandbox, self._rules, self.limits, self._readable)
            clients: Clients = module.Clients(self._exits.enter_context(stdio), self._rules, self.limits, self._tasks)
            self._clients = clients
        return self._clients
