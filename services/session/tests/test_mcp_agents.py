"""Agents with MCP servers: the real CLI, and servers in memory."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest_asyncio
from mcp_connection.testing import InMemoryConnector
from simulator.testing import tools_prompt

from services.session.tests.mcp_servers import echo_server, resolved
from services.session.tests.replica import NewReplica, Replica

ECHO = ("mcp__lab__echo", {"text": "hello there"})


@pytest_asyncio.fixture
async def replica(new_replica: NewReplica) -> AsyncGenerator[Replica]:
    async with new_replica(connector=InMemoryConnector({"lab": echo_server()})) as replica:
        yield replica


async def test_an_agent_calls_a_tool_of_an_mcp_server(replica: Replica) -> None:
    spec = replace(
        replica.spec(allowed_tools=["mcp__lab__echo"], permission_mode="default"), servers=(resolved("lab"),)
    )
    events = await replica.run(spec, tools_prompt(ECHO))
    print(events)
    assert events.outputs == ["hello there"]
