SELECT erase_after('evt.mcp_registry.deleted');
