"""The connection of an agent to one MCP server."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, cast

from contracts.mcp_registry.values import ServerConnection, ServerType, Tool
from contracts.refusals import Code
from mcp.types import CallToolResult, ReadResourceResult, Resource
from mcp_connection import ConnectionFailed, fingerprint
from mcp_connection.upstream import Upstream

from session.mcp.tools import Offer, offer

CONNECT_SECONDS: dict[ServerType, float] = {"HTTP": 10.0, "SSE": 10.0, "STDIO": 30.0}
"""How long a run waits for a server of a type, and a call for its reconnection. A program has to start first."""
LOST = ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, "The connection to the server was closed.")
TOOL_CHANGED = "The server has changed this tool. Its owner has to accept the change first."


class Link:
    """A connection that is opened again, once for each call, after it was lost.

    `offer` are the tools that the server had when it was opened first. `latency_ms` is the time that this took.
    """

    def __init__(
        self, server: ServerConnection, prefix: str, connect: Callable[[], AbstractAsyncContextManager[Upstream]]
    ) -> None:
        self.server, self.prefix, self._connect = server, prefix, connect
        self.offer, self.latency_ms, self.has_resources = Offer(), 0.0, False
        self._upstream: Upstream | None = None
        self._listed = set[tuple[str, str]]()
        self._exits, self._lock, self._closed = AsyncExitStack(), asyncio.Lock(), False

    @property
    def name(self) -> str:
        """The name of the server as the agent knows it."""
        return self.prefix.removeprefix("mcp__").removesuffix("__")

    @property
    def connect_seconds(self) -> float:
        """How long the agent waits for the connection."""
        return CONNECT_SECONDS[self.server.definition.server_type]

    @property
    def lost(self) -> bool:
        """Whether the connection was lost after it had been opened."""
        return self._upstream is not None and self._upstream.failure is not None

    async def open(self) -> None:
        """Connect to the server and list its tools.

        Raises:
            ConnectionFailed: that was not possible.
        """
        started = time.monotonic()
        async with self._lock:
            listed = await self._reopen()
        self.offer = offer(self.server, self.prefix, listed)
        self.latency_ms = (time.monotonic() - started) * 1000

    async def call(self, name: str, arguments: dict[str, Any]) -> CallToolResult:
        """Call an offered tool, whose `name` is the one that the agent knows.

        A call whose connection is lost meanwhile is not repeated: the server may have carried it out.

        Raises:
            ConnectionFailed: the server is not available, or has changed the tool.
            MCPError: the server answered with an error.
        """
        upstream, offered = await self.connected(), self.offer.tools.get(name)
        if offered is None or (offered.tool.name, offered.fingerprint) not in self._listed:
            raise ConnectionFailed(Code.MCP_SERVER_INVALID, TOOL_CHANGED)
        return await upstream.call_tool(offered.tool.name, arguments)

    async def resources(self) -> list[Resource]:
        """Return the resources of the server. Raises as `call` does."""
        return await (await self.connected()).list_resources()

    async def read(self, uri: str) -> ReadResourceResult:
        """Return the content of a resource. Raises as `call` does."""
        return await (await self.connected()).read_resource(uri)

    async def connected(self) -> Upstream:
        """Return the open connection, opening it again if it was lost. Raises as `open` does."""
        async with self._lock:
            if self._upstream and not self._upstream.failure:
                return self._upstream
            try:
                async with asyncio.timeout(self.connect_seconds):
                    await self._reopen()
            except TimeoutError:
                raise LOST from None
            return cast(Upstream, self._upstream)

    async def close(self) -> None:
        """Close the connection for good."""
        self._closed = True
        async with self._lock:
            await self._end()

    async def _end(self) -> None:
        self._upstream = None
        await self._exits.aclose()

    async def _reopen(self) -> list[Tool]:
        await self._end()
        if self._closed:
            raise LOST
        async with AsyncExitStack() as exits:
            upstream = await exits.enter_async_context(self._connect())
            listed = await upstream.list_tools()
            self._upstream, self._exits = upstream, exits.pop_all()
        self.has_resources = upstream.capabilities.resources is not None
        self._listed = {(tool.name, fingerprint(tool)) for tool in listed}
        return listed
