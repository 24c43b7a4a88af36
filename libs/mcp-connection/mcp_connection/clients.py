"""Clients of the MCP library, each connected to a server in a task of its own."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from contracts.mcp_registry.values import ServerConnection, ServerType
from contracts.refusals import Code
from mcp.client import Client
from mcp_types import Implementation
from runtime.http.addresses import AddressRules

from mcp_connection.callbacks import Callbacks
from mcp_connection.connection import CLOSED, Connection
from mcp_connection.deadlines import Deadlines
from mcp_connection.failures import ConnectionFailed
from mcp_connection.http import http_transport, sse_transport
from mcp_connection.inbound import bounded
from mcp_connection.limits import ConnectionLimits
from mcp_connection.requests import Requests
from mcp_connection.stdio import StdioTransport
from mcp_connection.transports import TransportFactory
from mcp_connection.upstream import Upstream

# These libraries would log what a server sends, URLs with secrets, and a traceback for each message that is not valid.
for name in ("mcp", "client", "httpx2", "httpcore2"):
    logging.getLogger(name).setLevel(logging.CRITICAL + 1)

PROTOCOL = "auto"
"""The newest version that both sides know. Newer versions of the protocol have no SSE."""
CLIENT = Implementation(name="ai-agent-api", version=version("agentapi-mcp-connection"))


class Clients:
    """Connects clients to servers, in tasks of a group. `stdio` starts the servers that are programs."""

    def __init__(
        self, stdio: StdioTransport, rules: AddressRules, limits: ConnectionLimits, tasks: asyncio.TaskGroup
    ) -> None:
        self._limits, self._tasks = limits, tasks
        self.transports: Mapping[ServerType, TransportFactory] = {
            "STDIO": stdio,
            "HTTP": http_transport(rules, limits),
            "SSE": sse_transport(rules, limits),
        }

    @asynccontextmanager
    async def connect(
        self, server: ServerConnection, workspace: Path | None, callbacks: Callbacks
    ) -> AsyncGenerator[Upstream]:
        """Connect to a server for the duration of the context. Raise ConnectionFailed if that is not possible."""
        connection = Connection()
        transport = self.transports[server.definition.server_type](server, workspace, connection.fail)
        deadlines = Deadlines()
        requests = Requests(callbacks, deadlines)
        client = Client(
            bounded(transport, connection.fail),
            mode="legacy" if server.definition.server_type == "SSE" else PROTOCOL,
            cache=None,
            client_info=CLIENT,
            elicitation_callback=requests.elicit if callbacks.elicit else None,
            logging_callback=requests.log,
            message_handler=requests.notify,
        )
        task = self._tasks.create_task(connection.run(client, callbacks.on_tools_changed))
        try:
            yield Upstream(await self._connected(connection), self._limits, connection, deadlines)
        finally:
            connection.fail(CLOSED)
            await self._ended(connection, task)

    async def _connected(self, connection: Connection) -> Client:
        try:
            async with asyncio.timeout(self._limits.connect_seconds):
                return await connection.connected()
        except TimeoutError as error:
            detail = f"The server did not answer within {self._limits.connect_seconds:g} seconds."
            raise ConnectionFailed(Code.MCP_SERVER_TIMEOUT, detail) from error

    async def _ended(self, connection: Connection, task: asyncio.Task[None]) -> None:
        """Wait until the connection is closed; if it was established, at most for the time that a farewell may take."""
        if connection.is_established:
            await asyncio.wait({task}, timeout=self._limits.close_seconds)
        task.cancel()
        await asyncio.wait({task})
