"""The server that an agent has in place of an MCP server: it forwards calls, and keeps the secrets outside."""

import json
from collections.abc import Callable
from typing import Any

from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_connection import ConnectionFailed
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    TextContent,
)
from runtime.logging import get_logger

from session.mcp.link import Link
from session.mcp.masking import masked
from session.mcp.permits import Permits

log = get_logger()

NOT_PERMITTED = "This call was not approved."
MAX_ERROR_CHARS = 2_000
INTERNAL = "The call could not be forwarded."


def forwarding_server(link: Link, permits: Permits, redact: Callable[[str], str]) -> Server[Any]:
    """Return a server that has the offered tools of a connection, and its resources.

    It has neither the instructions of the server, which are text for the model that nobody has accepted, nor its
    prompts, which an agent without slash commands cannot use.
    """

    async def list_tools(*_: object) -> ListToolsResult:
        return ListToolsResult(tools=[tool.under(name, redact) for name, tool in link.offer.tools.items()])

    async def call_tool(_: object, params: CallToolRequestParams) -> CallToolResult:
        arguments = params.arguments or {}
        if not permits.use(link.prefix, params.name, arguments):
            return _failed(NOT_PERMITTED)
        try:
            return masked(_plain(await link.call(params.name, arguments)), redact)
        except (ConnectionFailed, MCPError) as error:
            return _failed(redact(failure_detail(error)))
        except Exception as error:  # noqa: BLE001  its text must not reach the agent, and may contain secrets
            log.warning("MCP call failed", error=redact(repr(error)))
            return _failed(INTERNAL)

    return Server(link.name, on_list_tools=list_tools, on_call_tool=call_tool)


def _plain(result: CallToolResult) -> CallToolResult:
    """Return the result as content alone, which also stands for the structured content of a result without text."""
    content = list(result.content)
    if not content and result.structured_content is not None:
        content.append(TextContent(type="text", text=json.dumps(result.structured_content)))
    return CallToolResult(content=content, is_error=result.is_error)


def _failed(detail: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=detail)], is_error=True)


def failure_detail(error: ConnectionFailed | MCPError) -> str:
    """Return what users and the model are told about an error, which may contain secrets of the server."""
    if isinstance(error, ConnectionFailed):
        return error.detail
    return f"The server answered with an error: {error.message}"[:MAX_ERROR_CHARS]
