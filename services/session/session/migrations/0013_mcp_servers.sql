-- Approvals may ask for input, and runs use MCP servers.
ALTER TABLE approvals ADD COLUMN kind text NOT NULL DEFAULT 'tool', ADD COLUMN form jsonb;
ALTER TABLE runs ADD COLUMN mcp_servers jsonb NOT NULL DEFAULT '[]';
