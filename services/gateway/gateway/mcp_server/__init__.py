"""The API as an MCP server: its tools and resources send the same messages to the services as the routes do."""
