"""OAuth for MCP servers, as the MCP specification says: the adapter to authorization servers."""
