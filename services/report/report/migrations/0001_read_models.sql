CREATE TABLE reports (
    id                 uuid        PRIMARY KEY,
    -- The order of creation. That of ids is not, because the id of an execution's report derives from the execution.
    position           bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    user_id            uuid        NOT NULL,
    report_type        text        NOT NULL,
    session_id         uuid,
    task_id            uuid,
    execution_id       uuid,
    from_at            timestamptz,
    to_at              timestamptz,
    format             text        NOT NULL,
    title              text        NOT NULL,
    include_messages   boolean     NOT NULL,
    include_tool_calls boolean     NOT NULL,
    include_metrics    boolean     NOT NULL,
    status             text        NOT NULL DEFAULT 'pending',
    progress_percent   int         NOT NULL DEFAULT 0,
    progress_step      text        NOT NULL DEFAULT 'queued',
    file_key           text,
    file_size_bytes    bigint,
    file_sha256        text,
    pages              int,
    notes              text[]      NOT NULL DEFAULT '{}',
    error_code         text,
    error_detail       text,
    created_at         timestamptz NOT NULL,
    generated_at       timestamptz,
    expires_at         timestamptz
);
CREATE INDEX reports_of_user ON reports (user_id, position DESC);
CREATE INDEX reports_of_session ON reports (session_id, position DESC) WHERE session_id IS NOT NULL;
CREATE INDEX reports_of_task ON reports (task_id, position DESC) WHERE task_id IS NOT NULL;
CREATE INDEX reports_of_execution ON reports (execution_id, position DESC) WHERE execution_id IS NOT NULL;
-- Looked for every few seconds, and few among many that are over.
CREATE INDEX reports_in_progress ON reports (id) WHERE status IN ('pending', 'rendering');

CREATE TABLE report_links (
    id         uuid        PRIMARY KEY,
    report_id  uuid        NOT NULL REFERENCES reports ON DELETE CASCADE,
    token_hash text        NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX links_of_report ON report_links (report_id, token_hash);
