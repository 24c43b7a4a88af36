"""A connected server."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from contracts.mcp_registry.values import Tool
from contracts.refusals import Code
from mcp.client import Client
from mcp.shared.dispatcher import ProgressFnT
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    PARSE_ERROR,
    CallToolResult,
    GetPromptResult,
    Prompt,
    ReadResourceResult,
    Resource,
    ServerCapabilities,
)
from pydantic import ValidationError

from mcp_connection.connection import Connection
from mcp_connection.deadlines import Deadlines
from mcp_connection.failures import ConnectionFailed
from mcp_connection.inbound import CLOSED_BY_SERVER
from mcp_connection.limits import ConnectionLimits
from mcp_connection.listing import list_all, to_tools
from mcp_connection.results import cut_result

ENDS: Mapping[int, ConnectionFailed] = {
    CONNECTION_CLOSED: CLOSED_BY_SERVER,
    PARSE_ERROR: ConnectionFailed(Code.MCP_SERVER_INVALID, "The server sent something that is not a message."),
}
"""Errors by which the library says that a request will not be answered."""


class Upstream:
    """A connected server. Its methods may be called from any task, and concurrently.

    All of them raise ConnectionFailed if the connection fails or the server breaks the protocol or a bound, and
    MCPError if the server answers with an error. A call that is cancelled is cancelled at the server.
    """

    def __init__(self, client: Client, limits: ConnectionLimits, connection: Connection, deadlines: Deadlines) -> None:
        self._client = client
        self._limits = limits
        self._connection = connection
        self._deadlines = deadlines
        info = client.server_info
        self.name = info.name if info else ""
        self.version = info.version if info else ""

    @property
    def protocol_version(self) -> str:
        """Return the version of the protocol that was agreed on."""
        return self._client.protocol_version

    @property
    def capabilities(self) -> ServerCapabilities:
        """Return what the server says it can do."""
        return self._client.server_capabilities

    @property
    def failure(self) -> ConnectionFailed | None:
        """Return why the connection has ended, or None while it is open. Every later call raises this."""
        return self._connection.failure

    async def list_tools(self) -> list[Tool]:
        """Return all tools of the server; a server without the capability has none. Raise ConnectionFailed only."""
        if self.capabilities.tools is None:
            return []
        try:
            async with self._bounded(self._limits.list_seconds, "tools/list"):
                return to_tools(await list_all(lambda at: self._client.list_tools(cursor=at), lambda page: page.tools))
        except MCPError as error:
            raise ConnectionFailed(Code.MCP_SERVER_INVALID, "The server answered tools/list with an error.") from error

    async def call_tool(
        self, name: str, arguments: dict[str, Any], progress: ProgressFnT | None = None
    ) -> CallToolResult:
        """Call a tool. What exceeds the bound of a result is cut off, with a note."""
        async with self._bounded(self._limits.call_seconds, "tools/call"):
            result = await self._client.call_tool(name, arguments, progress_callback=progress)
        return cut_result(result, self._limits.result_bytes)

    async def list_resources(self) -> list[Resource]:
        """Return all resources of the server; a server without the capability has none."""
        if self.capabilities.resources is None:
            return []
        async with self._bounded(self._limits.list_seconds, "resources/list"):
            return await list_all(lambda at: self._client.list_resources(cursor=at), lambda page: page.resources)

    async def read_resource(self, uri: str) -> ReadResourceResult:
        """Return the contents of a resource."""
        async with self._bounded(self._limits.call_seconds, "resources/read"):
            return await self._client.read_resource(uri)

    async def list_prompts(self) -> list[Prompt]:
        """Return all prompts of the server; a server without the capability has none."""
        if self.capabilities.prompts is None:
            return []
        async with self._bounded(self._limits.list_seconds, "prompts/list"):
            return await list_all(lambda at: self._client.list_prompts(cursor=at), lambda page: page.prompts)

    async def get_prompt(self, name: str, arguments: dict[str, str]) -> GetPromptResult:
        """Return a prompt, filled in with `arguments`."""
        async with self._bounded(self._limits.call_seconds, "prompts/get"):
            return await self._client.get_prompt(name, arguments)

    @asynccontextmanager
    async def _bounded(self, seconds: float, method: str) -> AsyncGenerator[None]:
        """Limit the time of a request, and translate its failures."""
        if self.failure:
            raise self.failure
        try:
            async with self._deadlines.limit(seconds):
                yield
        except TimeoutError as error:
            detail = f"The server did not answer {method} within {seconds:g} seconds."
            raise ConnectionFailed(Code.MCP_SERVER_TIMEOUT, detail) from error
        except ValidationError as error:
            detail = f"The server's answer to {method} does not conform to the protocol."
            raise ConnectionFailed(Code.MCP_SERVER_INVALID, detail) from error
        except MCPError as error:
            if error.code in ENDS:
                self._connection.fail(ENDS[error.code])
            if self.failure:
                raise self.failure from error
            raise
