"""The official client of the system as an MCP server."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from mcp import Client
from mcp.client.client import ConnectMode
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp_types import CallToolResult, TextContent


@asynccontextmanager
async def mcp_client(base_url: str, token: str, mode: ConnectMode = "auto", **headers: str) -> AsyncGenerator[Client]:
    """Connect to the MCP server of a gateway."""
    headers = {"authorization": f"Bearer {token}"} | headers
    async with create_mcp_http_client(headers) as http:
        transport = streamable_http_client(f"{base_url}/mcp", http_client=http)
        async with Client(transport, mode=mode) as client:
            yield client


def text_of(result: CallToolResult) -> str:
    """Return the text of a result."""
    return "".join(content.text for content in result.content if isinstance(content, TextContent))


def code_of(result: CallToolResult) -> str | None:
    """Return the code of the problem that the call of a tool failed with; None if it succeeded."""
    return result.meta["problem"]["error_code"] if result.is_error and result.meta else None
