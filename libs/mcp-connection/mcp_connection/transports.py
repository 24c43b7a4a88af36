"""The ways to reach a server: each yields a stream of its messages and one for those that it is sent."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from contracts.mcp_registry.values import ServerConnection
from mcp.client import Transport

from mcp_connection.failures import ConnectionFailed

type FailureReport = Callable[[ConnectionFailed], None]
"""Takes the reason why a connection cannot go on. The first one counts, and ends the connection."""


class TransportFactory(Protocol):
    """A way to reach servers of one type."""

    def __call__(self, server: ServerConnection, workspace: Path | None, report: FailureReport) -> Transport:
        """Return a transport, which connects when it is entered.

        Whatever it raises ends the connection; if it knows a better reason than the error says, it reports that.
        """
        ...
