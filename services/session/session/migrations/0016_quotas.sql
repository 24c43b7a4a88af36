-- Quotas of users. NULL: not set for the user, so that the one of the role applies; and in `role_quotas`: unlimited.
CREATE TABLE accounts (
    user_id              uuid PRIMARY KEY,
    concurrent_runs      int,
    sessions_per_month   int,
    storage_bytes        bigint,
    budget_per_month_usd numeric
);
-- From the setting QUOTAS, written when the service starts.
CREATE TABLE role_quotas (
    role                 text PRIMARY KEY,
    concurrent_runs      int,
    sessions_per_month   int,
    storage_bytes        bigint,
    budget_per_month_usd numeric
);

-- What a user used in a calendar month in UTC: the sum over the slots of `counter_slot`. Deleted sessions stay counted.
-- The cost contains that of runs in progress, as far as it is known.
CREATE TABLE usage (
    user_id  uuid    NOT NULL,
    month    date    NOT NULL,
    slot     int     NOT NULL,
    sessions bigint  NOT NULL DEFAULT 0,
    cost_usd numeric NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, month, slot)
);
INSERT INTO usage (user_id, month, slot, sessions)
SELECT user_id, date_trunc('month', created_at AT TIME ZONE 'UTC')::date, 0, count(*) FROM sessions GROUP BY 1, 2;
INSERT INTO usage AS u (user_id, month, slot, cost_usd)
SELECT s.user_id, date_trunc('month', coalesce(r.ended_at, r.created_at) AT TIME ZONE 'UTC')::date, 0, sum(r.cost_usd)
FROM runs r JOIN sessions s ON s.id = r.session_id WHERE r.cost_usd <> 0 GROUP BY 1, 2
ON CONFLICT (user_id, month, slot) DO UPDATE SET cost_usd = excluded.cost_usd;

-- `user_id` is that of the session; runs that ended before this migration have none. A run that `only_waits` for
-- approvals does not count as concurrent. `charged_usd` is what was added to `usage` for the run.
ALTER TABLE runs
    ADD COLUMN user_id     uuid,
    ADD COLUMN only_waits  boolean NOT NULL DEFAULT false,
    ADD COLUMN charged_usd numeric NOT NULL DEFAULT 0;
UPDATE runs r SET user_id = s.user_id, only_waits = r.status = 'waiting_approval', charged_usd = r.cost_usd
FROM sessions s WHERE s.id = r.session_id AND r.ended_at IS NULL;
CREATE INDEX runs_of_user ON runs (user_id, session_id) WHERE requested_at IS NOT NULL AND ended_at IS NULL;
CREATE INDEX runs_queued ON runs (session_id) WHERE requested_at IS NULL AND ended_at IS NULL;

-- Sessions with queued runs that would start if their user had fewer concurrent runs, in the order of `since`. The
-- envelope is that of the message since which the session waits.
CREATE TABLE waiting_sessions (
    session_id uuid        PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
    user_id    uuid        NOT NULL,
    since      timestamptz NOT NULL,
    envelope   jsonb       NOT NULL
);
CREATE INDEX waiting_sessions_of_user ON waiting_sessions (user_id, since, session_id);
