"""The mcp-registry service: MCP servers that sessions can use, with their secrets, health and tools."""
