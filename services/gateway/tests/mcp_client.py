"""The official client of the MCP server under test."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from contracts.files import FilePart
from contracts.report.report import GetReport, ReadReport
from mcp import Client
from mcp.client.client import ConnectMode
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp_types import CallToolResult, TextContent
from runtime import clock

from services.gateway.tests import samples
from services.gateway.tests.fake_services import FakeServices


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
    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text


def code_of(result: CallToolResult) -> Any:
    """Return the code of the problem that the call of a tool failed with."""
    assert result.is_error
    assert result.meta is not None
    return result.meta["problem"]["error_code"]


async def serve_report(services: FakeServices, file: bytes) -> None:
    """Let the report service have a report in the format `markdown` with this file."""

    def part(query: ReadReport) -> FilePart:
        data = file[query.offset : query.offset + query.length]
        return FilePart(size_bytes=len(file), modified_at=clock.now(), etag="one", data=data)

    await services.answer(GetReport, samples.report(format="markdown", file_size_bytes=len(file)))
    await services.answer_with(ReadReport, part)
