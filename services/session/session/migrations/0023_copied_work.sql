-- A fork has the tool calls and the runs that its messages name, with the same ids.
ALTER TABLE tool_calls DROP CONSTRAINT tool_calls_pkey, ADD PRIMARY KEY (session_id, id);
DROP INDEX tool_calls_of_session;
-- For replicas of the earlier release, which end a tool call by its id alone.
CREATE INDEX tool_calls_by_id ON tool_calls (id);

-- Runs that a fork has taken over, as they ended. They are apart from `runs`, so that nothing counts, charges or continues
-- them; what they used is that of the session in which they ran.
CREATE TABLE copied_runs (
    session_id        uuid        NOT NULL REFERENCES sessions ON DELETE CASCADE,
    id                uuid        NOT NULL,
    message           text        NOT NULL,
    status            text        NOT NULL,
    attempt           int         NOT NULL,
    error_code        text,
    error_detail      text,
    answer            int,
    structured_output json,
    mcp_servers       jsonb       NOT NULL,
    created_at        timestamptz NOT NULL,
    ended_at          timestamptz,
    PRIMARY KEY (session_id, id)
);

CREATE VIEW shown_runs AS
SELECT session_id, id, message, status, attempt, error_code, error_detail, answer, structured_output, mcp_servers,
    created_at, ended_at, duration_ms, input_tokens, output_tokens, cost_usd
FROM runs
UNION ALL
SELECT session_id, id, message, status, attempt, error_code, error_detail, answer, structured_output, mcp_servers,
    created_at, ended_at, 0, 0::bigint, 0::bigint, 0::numeric
FROM copied_runs;
