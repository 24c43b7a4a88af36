"""Files with MCP servers: our own export, and the configuration files of other applications."""
