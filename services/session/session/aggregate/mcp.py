"""The records of a Session about the MCP servers of its runs."""

from typing import assert_never

from contracts.session.mcp import McpEvent, McpServersConnected, RecordMcpServers

from session.aggregate.state import State


class UsingMcpServers(State):
    """The MCP servers of runs. No later decision depends on them."""

    def record_mcp_servers(self, command: RecordMcpServers) -> None:
        """Record which MCP servers the agent of a run has.

        Raises:
            Refusal: RUN_OVER, RUN_TAKEN.
        """
        run = self._run_of_worker(command.run_id, command.attempt)
        self.record(McpServersConnected(run_id=run.id, servers=command.servers))

    def apply_mcp(self, event: McpEvent) -> None:
        """Fold one event about MCP servers."""
        match event:
            case McpServersConnected():
                pass
            case _:
                assert_never(event)
