"""Streamable HTTP, and its predecessor SSE."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
from contracts.mcp_registry.values import ServerConnection
from mcp.client._transport import TransportStreams
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from runtime.http.addresses import AddressRules
from runtime.http.guarded_client import client_over

from mcp_connection.http_transport import McpTransport
from mcp_connection.limits import ConnectionLimits
from mcp_connection.transports import FailureReport, TransportFactory


def http_transport(rules: AddressRules, limits: ConnectionLimits) -> TransportFactory:
    """Return the way to reach servers over Streamable HTTP."""

    @asynccontextmanager
    async def connect(
        server: ServerConnection, workspace: Path | None, report: FailureReport
    ) -> AsyncGenerator[TransportStreams]:
        transport = McpTransport(rules, limits, report)
        url = server.definition.url or ""
        async with (
            client_over(transport, headers=server.headers, timeout=limits.call_seconds) as client,
            streamable_http_client(url, http_client=client, max_sse_event_size=None) as streams,
        ):
            try:
                yield streams
            except (MCPError, ExceptionGroup):
                # The library answers a request that was rejected with an error that does not say why.
                if transport.failure:
                    report(transport.failure)
                raise

    return connect


def sse_transport(rules: AddressRules, limits: ConnectionLimits) -> TransportFactory:
    """Return the way to reach servers over SSE."""

    @asynccontextmanager
    async def connect(
        server: ServerConnection, workspace: Path | None, report: FailureReport
    ) -> AsyncGenerator[TransportStreams]:
        # The library only logs the failure of a request: a caller would wait for the answer for ever.
        transport = McpTransport(rules, limits, report, fails_with_request=True)

        def client(
            headers: dict[str, str] | None = None,
            timeout: httpx2.Timeout | None = None,
            auth: httpx2.Auth | None = None,
        ) -> httpx2.AsyncClient:
            return client_over(transport, headers=server.headers, timeout=limits.call_seconds)

        async with sse_client(server.definition.url or "", httpx_client_factory=client) as streams:
            yield streams

    return connect
