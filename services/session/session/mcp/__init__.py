"""MCP servers of agents: connected outside of the sandbox, and forwarded into it, without their secrets."""
