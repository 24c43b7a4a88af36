"""Streamable HTTP, and its predecessor SSE."""

from pathlib import Path

from contracts.mcp_registry.values import ServerConnection
from mcp.client import Transport
from runtime.addresses import AddressRules

from mcp_connection.limits import ConnectionLimits
from mcp_connection.transports import FailureReport, TransportFactory


def http_transport(rules: AddressRules, limits: ConnectionLimits) -> TransportFactory:
    """Return the way to reach servers over Streamable HTTP."""

    def connect(server: ServerConnection, workspace: Path | None, report: FailureReport) -> Transport:
        raise NotImplementedError

    return connect


def sse_transport(rules: AddressRules, limits: ConnectionLimits) -> TransportFactory:
    """Return the way to reach servers over SSE."""

    def connect(server: ServerConnection, workspace: Path | None, report: FailureReport) -> Transport:
        raise NotImplementedError

    return connect
