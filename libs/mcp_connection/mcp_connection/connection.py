"""A connection in a task of its own: its failure reaches those who call, and nobody else."""

import asyncio

from contracts.refusals import Code
from mcp.client import Client

from mcp_connection.failures import ConnectionFailed
from mcp_connection.translation import translated

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

    async def run(self, client: Client) -> None:
        """Connect, and stay connected until `fail` is called or the transport fails."""
        try:
            async with client:
                if not self._client.done():
                    self._client.set_result(client)
                await self._stopped.wait()
        except* Exception as errors:  # noqa: BLE001  a transport or the client library may raise anything
            self.fail(translated(errors))
        finally:
            self.fail(CLOSED)
            if not self._client.done():
                self._client.set_exception(self.failure or CLOSED)

    async def connected(self) -> Client:
        """Wait until the server and the client have agreed on a protocol version. Raise ConnectionFailed."""
        return await asyncio.shield(self._client)
