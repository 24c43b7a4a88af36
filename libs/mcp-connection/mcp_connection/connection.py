"""A connection in a task of its own: its failure reaches those who call, and nobody else."""

import asyncio
from collections.abc import Callable

from contracts.refusals import Code
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcp_connection.failures import ConnectionFailed
from mcp_connection.translation import translated

SUBSCRIBE_AGAIN_SECONDS = 60
CLOSED = ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, "The connection to the server was closed.")


class Connection:
    """A connection to a server, from the first byte to the last."""

    def __init__(self) -> None:
        self.failure: ConnectionFailed | None = None
        self._client: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._stopped = asyncio.Event()

    @property
    def is_established(self) -> bool:
        """Whether the server and the client have agreed on a protocol version, even if the connection has ended."""
        return self._client.done() and self._client.exception() is None

    def fail(self, failure: ConnectionFailed) -> None:
        """End the connection because of a failure; the first one counts."""
        self.failure = self.failure or failure
        self._stopped.set()
        if not self._client.done():
            self._client.set_exception(self.failure)
            self._client.exception()  # Nobody may wait any more.

    async def run(self, client: Client, on_tools_changed: Callable[[], None] | None) -> None:
        """Connect, and stay connected until `fail` is called or the transport fails."""
        try:
            async with client, asyncio.TaskGroup() as tasks:
                announcing = tasks.create_task(announce_changes(client, on_tools_changed))
                if not self._client.done():
                    self._client.set_result(client)
                await self._stopped.wait()
                announcing.cancel()
        except* Exception as errors:  # noqa: BLE001  a transport or the client library may raise anything
            self.fail(translated(errors))
        finally:
            self.fail(CLOSED)

    async def connected(self) -> Client:
        """Wait until the server and the client have agreed on a protocol version. Raise ConnectionFailed."""
        return await asyncio.shield(self._client)


async def announce_changes(client: Client, on_tools_changed: Callable[[], None] | None) -> None:
    """Announce changes of the tools, if the protocol is one in which a client has to subscribe to them."""
    if not on_tools_changed or client.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return
    while True:
        try:
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    on_tools_changed()
        except (MCPError, RuntimeError, TimeoutError):
            pass  # The server does not announce changes, or the subscription was lost.
        await asyncio.sleep(SUBSCRIBE_AGAIN_SECONDS)
