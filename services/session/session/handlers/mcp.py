"""Handlers of commands about the MCP servers of runs."""

from contracts.session.mcp import RecordMcpServers
from eventing.handling import Handlers

from session.aggregate import Session
from session.dependencies import Work

handles = Handlers()


@handles
async def record_mcp_servers(command: RecordMcpServers, work: Work) -> None:
    """Record which MCP servers the agent of a run has."""
    async with work.change(Session, command.session_id) as session:
        session.record_mcp_servers(command)
