"""STDIO: a program in a sandbox of its own."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from contracts.mcp_registry.values import ServerConnection
from contracts.refusals import Code
from mcp.client._transport import TransportStreams

from mcp_connection.failures import ConnectionFailed
from mcp_connection.limits import ConnectionLimits
from mcp_connection.transports import FailureReport, TransportFactory


class Sandbox(Protocol):
    """Starts programs in sandboxes."""


def stdio_transport(sandbox: Sandbox | None, limits: ConnectionLimits) -> TransportFactory:
    """Return the way to reach STDIO servers; without a sandbox there is none."""

    @asynccontextmanager
    async def connect(
        server: ServerConnection, workspace: Path | None, report: FailureReport
    ) -> AsyncGenerator[TransportStreams]:
        if sandbox is None:
            raise ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, "STDIO servers need bubblewrap on this machine.")
        raise NotImplementedError
        yield

    return connect
