"""Calls of an MCP tool as an agent makes them, through the session service, beside a direct connection.

The part of Claude Code is left out: it is the same for every MCP server.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

from contracts.mcp_registry.values import ResolvedServer, ServerConnection
from contracts.session.values import SdkOptions
from mcp.client import Client
from mcp_connection import Connector
from mcp_connection.testing import started
from runtime.clock import new_id
from runtime.http.addresses import AddressRules
from session.mcp.connections import Connections
from session.mcp.permits import Permits
from session.mcp.server_calls import ServerCalls
from session.mcp.servers import AgentServers

from services.session.tests.mcp_servers import resolved
from tests.bench.report import Aim, Line
from tests.bench.rounds import Rounds, interleaved, timed
from tests.bench.stage import Stage

FIRST_ROUNDS, LATER_ROUNDS = 30, 300
TEXT = {"text": "x" * 200}
PERMITS = Permits(SdkOptions(permission_mode="bypassPermissions"))
CALLS = ServerCalls(cast(Any, None), new_id(), lambda: (None, 0))
"""Of an agent that works for no run, so nothing is stored."""
AIM = Aim(10, " ms", most=True)


async def measure(_stage: Stage) -> list[Line]:
    """Call a tool over Streamable HTTP, by a new connection and by an open one."""
    rules = AddressRules(networks=(ip_network("127.0.0.0/8"),))
    async with started() as server, Connector(None, rules) as connector, Connections(connector) as connections:
        definition = {"name": "lab", "server_type": "HTTP", "url": server.url}
        lab = resolved("lab", definition=definition)

        async def first_direct() -> None:
            async with _direct(connector, lab) as call:
                await call()

        async def first_forwarded() -> None:
            async with _forwarded(connections, lab) as call:
                await call()

        first = await interleaved({"agent": timed(first_forwarded), "direct": timed(first_direct)}, FIRST_ROUNDS)
        async with _direct(connector, lab) as direct, _forwarded(connections, lab) as forwarded:
            later = await interleaved({"agent": timed(forwarded), "direct": timed(direct)}, LATER_ROUNDS)
    return [_line("the first call, with the connection", first), _line("a later call", later)]


def _line(what: str, rounds: Rounds) -> Line:
    ours, direct = (rounds.median(side) * 1000 for side in ("agent", "direct"))
    return Line(f"{what}, p50; directly", f"{ours:.1f} ms", f"{direct:.1f} ms", ours - direct, AIM, " ms")


@asynccontextmanager
async def _direct(connector: Connector, server: ResolvedServer) -> AsyncGenerator[Callable[[], Awaitable[object]]]:
    async with connector.connect(cast(ServerConnection, server.connection)) as upstream:
        await upstream.list_tools()
        yield lambda: upstream.call_tool("echo", TEXT)


@asynccontextmanager
async def _forwarded(
    connections: Connections, server: ResolvedServer
) -> AsyncGenerator[Callable[[], Awaitable[object]]]:
    agent = AgentServers([server], Path("/"), connections, PERMITS, CALLS)
    await agent.connect()
    try:
        async with Client(agent.configs()["lab"]["instance"], mode="legacy") as client:
            await client.list_tools()
            yield lambda: client.call_tool("echo", TEXT)
    finally:
        await agent.close()
