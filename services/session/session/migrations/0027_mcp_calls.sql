-- The calls of MCP tools that an active run has made, so that none is made again for an agent that was lost. A result is
-- NULL until the server has answered, and `lost` if the agent that made the call did not get it.
CREATE TABLE mcp_calls (
    id          bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id  uuid    NOT NULL REFERENCES sessions ON DELETE CASCADE,
    run_id      uuid    NOT NULL,
    key         uuid    NOT NULL, -- the same for identical calls
    tool_use_id text,
    result      text,
    lost        boolean NOT NULL DEFAULT false
);
CREATE INDEX mcp_calls_of_run ON mcp_calls (session_id, run_id);
