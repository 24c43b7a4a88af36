-- A task is its definition; the columns that lists show and filter by are derived from it.
CREATE TABLE tasks (
    id           uuid        PRIMARY KEY,
    user_id      uuid        NOT NULL,
    definition   json        NOT NULL, -- json, which keeps the order of the properties that an answer is to have
    pause_reason text,
    next_run_at  timestamptz,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,

    is_active         boolean NOT NULL GENERATED ALWAYS AS (pause_reason IS NULL) STORED,
    name              text    NOT NULL GENERATED ALWAYS AS (definition ->> 'name') STORED,
    description       text    NOT NULL GENERATED ALWAYS AS (definition ->> 'description') STORED,
    is_scheduled      boolean NOT NULL GENERATED ALWAYS AS ((definition ->> 'is_scheduled')::boolean) STORED,
    schedule_cron     text             GENERATED ALWAYS AS (definition ->> 'schedule_cron') STORED,
    schedule_timezone text    NOT NULL GENERATED ALWAYS AS (definition ->> 'schedule_timezone') STORED,
    "on"              jsonb   NOT NULL GENERATED ALWAYS AS ((definition -> 'on')::jsonb) STORED,
    overlap_policy    text    NOT NULL GENERATED ALWAYS AS (definition ->> 'overlap_policy') STORED
);
-- Ids of tasks are UUIDs of version 7: their order is that of creation.
CREATE INDEX tasks_of_user ON tasks (user_id, id DESC);
CREATE INDEX tasks_of_user_by_state ON tasks (user_id, is_active, is_scheduled, id DESC);
SELECT count_rows('tasks', 'task_counts', '{user_id, is_active, is_scheduled}');

-- What the agents of a task see as their environment. The values are secrets: no query on the bus returns them.
CREATE TABLE task_environments (
    task_id   uuid  PRIMARY KEY REFERENCES tasks ON DELETE CASCADE,
    variables jsonb NOT NULL
);

-- Without a foreign key: the history of a deleted task may be long, and is deleted in batches.
CREATE TABLE executions (
    id              uuid        PRIMARY KEY,
    -- The order of creation. That of ids is not, because an id derives from what caused the execution.
    position        bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    task_id         uuid        NOT NULL,
    user_id         uuid        NOT NULL,
    status          text        NOT NULL DEFAULT 'pending',
    trigger         text        NOT NULL,
    scheduled_for   timestamptz,
    variables       json        NOT NULL,
    chain           uuid[]      NOT NULL, -- the tasks that led to the execution by events, the first one first
    retry_of        uuid,
    backfill_id     uuid,
    trigger_id      uuid,
    report_format   text, -- of the report that is made when the execution has ended; null for none
    -- Of the last attempt.
    attempt         int         NOT NULL DEFAULT 0,
    session_id      uuid,
    run_id          uuid,
    prompt          text,
    submitted       boolean     NOT NULL DEFAULT false,
    error_code      text,
    error_detail    text,
    next_attempt_at timestamptz,
    -- Of all attempts.
    duration_ms     bigint      NOT NULL DEFAULT 0,
    input_tokens    bigint      NOT NULL DEFAULT 0,
    output_tokens   bigint      NOT NULL DEFAULT 0,
    cost_usd        numeric     NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL,
    started_at      timestamptz,
    completed_at    timestamptz
);
CREATE INDEX executions_of_task ON executions (task_id, position DESC);
CREATE INDEX executions_of_task_by_status ON executions (task_id, status, position DESC);
CREATE INDEX executions_of_task_by_trigger ON executions (task_id, trigger, position DESC);
CREATE INDEX executions_of_backfill ON executions (backfill_id, position DESC) WHERE backfill_id IS NOT NULL;
CREATE INDEX executions_of_run ON executions (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX executions_of_session ON executions (session_id) WHERE session_id IS NOT NULL;
-- Attempts whose session is being created: looked for every few seconds, and few among many that are over.
CREATE INDEX executions_unsubmitted ON executions (run_id) WHERE status = 'running' AND NOT submitted;
SELECT count_rows('executions', 'execution_counts', '{task_id, status, trigger}');
