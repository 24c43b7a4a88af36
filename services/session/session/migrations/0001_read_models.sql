CREATE TABLE sessions (
    id               uuid        PRIMARY KEY,
    user_id          uuid        NOT NULL,
    name             text        NOT NULL,
    mode             text        NOT NULL,
    status           text        NOT NULL,
    sdk_options      jsonb       NOT NULL,
    parent_session_id uuid,
    total_messages   int         NOT NULL DEFAULT 0,
    total_tool_calls int         NOT NULL DEFAULT 0,
    total_cost_usd   numeric     NOT NULL DEFAULT 0,
    api_input_tokens bigint      NOT NULL DEFAULT 0,
    api_output_tokens bigint     NOT NULL DEFAULT 0,
    created_at       timestamptz NOT NULL,
    started_at       timestamptz,
    updated_at       timestamptz NOT NULL
);
-- Ids are UUIDs of version 7: their order is that of creation.
CREATE INDEX sessions_of_user ON sessions (user_id, id DESC);
CREATE INDEX sessions_of_user_by_status ON sessions (user_id, status, id DESC);

CREATE TABLE runs (
    id            uuid        PRIMARY KEY,
    session_id    uuid        NOT NULL REFERENCES sessions ON DELETE CASCADE,
    status        text        NOT NULL,
    attempt       int         NOT NULL DEFAULT 0,
    error_code    text,
    error_detail  text,
    answer        int, -- the sequence number of the agent's last words
    duration_ms   int         NOT NULL DEFAULT 0,
    input_tokens  bigint      NOT NULL DEFAULT 0,
    output_tokens bigint      NOT NULL DEFAULT 0,
    cost_usd      numeric     NOT NULL DEFAULT 0,
    created_at    timestamptz NOT NULL,
    ended_at      timestamptz
);
CREATE INDEX runs_of_session ON runs (session_id, id DESC);

CREATE TABLE messages (
    session_id      uuid        NOT NULL REFERENCES sessions ON DELETE CASCADE,
    sequence_number int         NOT NULL,
    id              uuid        NOT NULL,
    run_id          uuid        NOT NULL,
    message_type    text        NOT NULL,
    content         jsonb       NOT NULL,
    model           text,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (session_id, sequence_number)
);

CREATE TABLE tool_calls (
    id          uuid        PRIMARY KEY,
    session_id  uuid        NOT NULL REFERENCES sessions ON DELETE CASCADE,
    run_id      uuid        NOT NULL,
    tool_name   text        NOT NULL,
    tool_input  jsonb       NOT NULL,
    tool_output jsonb,
    status      text        NOT NULL,
    duration_ms int,
    created_at  timestamptz NOT NULL
);
CREATE INDEX tool_calls_of_session ON tool_calls (session_id, id);
CREATE INDEX tool_calls_of_run ON tool_calls (run_id, id);

-- How many sessions there are, so that a list's `total` need not count rows. A count is the sum over its slots;
-- a connection writes to its own slot, so that sessions made at the same time do not wait for each other.
CREATE TABLE session_counts (
    user_id uuid   NOT NULL,
    status  text   NOT NULL,
    mode    text   NOT NULL,
    slot    int    NOT NULL,
    n       bigint NOT NULL,
    PRIMARY KEY (user_id, status, mode, slot)
);

CREATE FUNCTION count_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO session_counts AS c (user_id, status, mode, slot, n)
    SELECT user_id, status, mode, pg_backend_pid() % 64, sum(n)
    FROM (
        SELECT NEW.user_id, NEW.status, NEW.mode, 1 WHERE TG_OP <> 'DELETE'
        UNION ALL
        SELECT OLD.user_id, OLD.status, OLD.mode, -1 WHERE TG_OP <> 'INSERT'
    ) AS change (user_id, status, mode, n)
    GROUP BY user_id, status, mode
    HAVING sum(n) <> 0
    ORDER BY user_id, status, mode -- always locked in one order, so that no two wait for each other
    ON CONFLICT (user_id, status, mode, slot) DO UPDATE SET n = c.n + excluded.n;
    RETURN NULL;
END $$;

CREATE TRIGGER count_session AFTER INSERT OR UPDATE OF status OR DELETE ON sessions
    FOR EACH ROW EXECUTE FUNCTION count_session();
