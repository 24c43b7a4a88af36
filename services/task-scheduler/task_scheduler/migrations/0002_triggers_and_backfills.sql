-- The signed URLs that start a task. Their secrets are in the events only.
CREATE TABLE triggers (
    id            uuid        PRIMARY KEY,
    task_id       uuid        NOT NULL REFERENCES tasks ON DELETE CASCADE,
    name          text        NOT NULL,
    created_at    timestamptz NOT NULL,
    rotated_at    timestamptz,
    last_fired_at timestamptz
);
-- Ids of triggers and backfills are UUIDs of version 7: their order is that of creation.
CREATE INDEX triggers_of_task ON triggers (task_id, id DESC);

CREATE TABLE backfills (
    id         uuid        PRIMARY KEY,
    task_id    uuid        NOT NULL REFERENCES tasks ON DELETE CASCADE,
    status     text        NOT NULL,
    from_at    timestamptz NOT NULL,
    to_at      timestamptz NOT NULL,
    total      int         NOT NULL,
    started    int         NOT NULL DEFAULT 0,
    done       int         NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    ended_at   timestamptz
);
CREATE INDEX backfills_of_task ON backfills (task_id, id DESC);

-- A backfill leaves out the ticks that were completed.
CREATE INDEX executions_of_completed_ticks ON executions (task_id, scheduled_for)
    WHERE status = 'completed' AND scheduled_for IS NOT NULL;

-- The events that start a task, with wildcards resolved. Many events of a user start nothing: the primary key answers
-- that with one read.
CREATE TABLE event_starts (
    user_id uuid        NOT NULL,
    event   text        NOT NULL,
    task_id uuid        NOT NULL REFERENCES tasks ON DELETE CASCADE,
    since   timestamptz NOT NULL, -- earlier events start nothing; infinite while the task is paused
    PRIMARY KEY (user_id, event, task_id)
);
CREATE INDEX event_starts_of_task ON event_starts (task_id);

-- The sessions of attempts that were followed by another one, whose session is in the row of the execution: events of
-- both lead back to the tasks that caused them.
CREATE TABLE earlier_attempts (
    session_id   uuid PRIMARY KEY,
    execution_id uuid NOT NULL REFERENCES executions ON DELETE CASCADE
);
CREATE INDEX earlier_attempts_of_execution ON earlier_attempts (execution_id);
