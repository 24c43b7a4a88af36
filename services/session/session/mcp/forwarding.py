"""The server that an agent has in place of an MCP server: it forwards calls, and keeps the secrets outside."""

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from contracts.mcp_registry.values import ServerConnection
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    CallToolRequestParams,
    CallToolResult,
    ListResourcesResult,
    ListToolsResult,
    ReadResourceRequestParams,
    ReadResourceResult,
    TextContent,
)
from mcp_connection import ConnectionFailed
from runtime.logging import get_logger

from session.mcp.link import Link
from session.mcp.masking import masked
from session.mcp.permits import Permits
from session.mcp.server_calls import TOOL_USE_ID, ServerCalls

log = get_logger()

NOT_PERMITTED = "This call was not approved."
TOO_MANY_UNREPORTED = "Too many calls of this run were not made by the agent itself."
MAX_ERROR_CHARS = 2_000
INTERNAL = "The call could not be forwarded."


@dataclass(frozen=True)
class Forwarder:
    """Answers the requests of an agent from the connection to one server, with the secrets of the server masked."""

    link: Link
    permits: Permits
    redact: Callable[[str], str]
    calls: ServerCalls

    def server(self) -> Server[Any]:
        """Return a server that has the offered tools, and the resources.

        It has neither the server's instructions, which are text for the model that nobody has accepted, nor its
        prompts, which an agent without slash commands cannot use.
        """
        tools: dict[str, Any] = {"on_list_tools": self.list_tools, "on_call_tool": self.call_tool}
        if self.link.has_resources:
            tools |= {"on_list_resources": self.list_resources, "on_read_resource": self.read_resource}
        return Server(self.link.name, **tools)

    async def list_tools(self, *_: object) -> ListToolsResult:
        """Return the offered tools."""
        offered = self.link.offer.tools.items()
        tools = [tool.under(name, self.redact) for name, tool in offered if self.permits.offers(self.link.prefix, name)]
        return ListToolsResult(tools=tools)

    async def call_tool(self, _: object, params: CallToolRequestParams) -> CallToolResult:
        """Call a tool, if that is permitted; an error is a result, as the model needs it."""
        arguments, read_only = params.arguments or {}, self.link.offer.is_read_only(params.name)
        if not self.permits.use(self.link.prefix, params.name, arguments, read_only=read_only):
            return _failed(NOT_PERMITTED)
        call = self.permits.made.make(f"{self.link.prefix}{params.name}", arguments)
        if call is None:
            return _failed(TOO_MANY_UNREPORTED)
        make = partial(self._forward, params.name, arguments)
        if read_only:
            result = await make()
        else:
            tool_use_id = (params.meta or {}).get(TOOL_USE_ID)
            result = await self.calls.call(f"{self.link.prefix}{params.name}", arguments, tool_use_id, make)
        call.end("\n".join(part.text for part in result.content if isinstance(part, TextContent)), result.is_error)
        return result

    async def _forward(self, name: str, arguments: dict[str, Any]) -> CallToolResult:
        try:
            return masked(_plain(await self.link.call(name, arguments)), self.redact)
        except (ConnectionFailed, MCPError) as error:
            return _failed(self.redact(failure_detail(error, self.link.server)))
        except Exception as error:  # noqa: BLE001  its text must not reach the agent, and may contain secrets
            log.warning("MCP call failed", error=self.redact(repr(error)))
            return _failed(INTERNAL)

    async def list_resources(self, *_: object) -> ListResourcesResult:
        """Return the resources of the server."""
        with self._translated_errors():
            return masked(ListResourcesResult(resources=await self.link.resources()), self.redact)

    async def read_resource(self, _: object, params: ReadResourceRequestParams) -> ReadResourceResult:
        """Return the content of a resource, if it may be read."""
        if not self.permits.read(self.link.prefix):
            raise MCPError(INVALID_REQUEST, NOT_PERMITTED)
        with self._translated_errors():
            return masked(await self.link.read(params.uri), self.redact)

    @contextmanager
    def _translated_errors(self) -> Generator[None]:
        try:
            yield
        except (ConnectionFailed, MCPError) as error:
            raise MCPError(INTERNAL_ERROR, self.redact(failure_detail(error, self.link.server))) from None


def _plain(result: CallToolResult) -> CallToolResult:
    """Return the result as content alone, which also stands for the structured content of a result without text."""
    content = list(result.content)
    if not content and result.structured_content is not None:
        content.append(TextContent(type="text", text=json.dumps(result.structured_content)))
    return CallToolResult(content=content, is_error=result.is_error)


def _failed(detail: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=detail)], is_error=True)


def failure_detail(error: ConnectionFailed | MCPError, server: ServerConnection) -> str:
    """Return the description of an error for users and the model, which may contain secrets of the server."""
    if isinstance(error, ConnectionFailed):
        return f"The server cannot be used ({error.code})." if server.hides_target else error.detail
    return f"The server answered with an error: {error.message}"[:MAX_ERROR_CHARS]
