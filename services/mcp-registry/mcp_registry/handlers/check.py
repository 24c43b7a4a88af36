"""Handlers of commands about the checks of servers."""

from uuid import UUID

from contracts.mcp_registry.check import AcceptTools, CheckServer, RecordCheck
from eventing.handling import Handlers
from mcp_connection import fingerprint

from mcp_registry.aggregate import McpServer
from mcp_registry.aggregate.check import CheckTimes, ToolList
from mcp_registry.dependencies import Work
from mcp_registry.handlers.server import changing

handles = Handlers()


@handles
async def check_server(command: CheckServer, work: Work) -> UUID:
    """Request a check. Everybody who may use a server may have it checked."""
    server = await work.load_visible(McpServer, command.server_id)
    check_id = server.request_check(command.check_id)
    await work.save(server)
    return check_id


@handles
async def record_check(command: RecordCheck, work: Work) -> None:
    """Record the result of a check. The owner may be no admin any more, and the server global."""
    server = await work.load_visible(McpServer, command.server_id)
    listed = None
    if command.tools is not None:
        listed = ToolList(command.tools, {tool.name: fingerprint(tool) for tool in command.tools})
    times = CheckTimes(work.now, work.dependencies.check_seconds)
    server.record_check(command.check_id, command.result, listed, times)
    await work.save(server)


@handles
async def accept_tools(command: AcceptTools, work: Work) -> None:
    """Accept the tools that the owner has seen."""
    async with changing(command.server_id, work) as server:
        server.accept_tools(command.tools_version)
