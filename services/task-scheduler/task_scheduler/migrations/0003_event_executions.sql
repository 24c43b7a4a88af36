-- Counts the executions that events have started for a user within the last hour.
CREATE INDEX executions_started_by_events ON executions (user_id, created_at)
    WHERE trigger = 'event' AND status <> 'skipped';
