-- What people are asked; the rows go with their session.
CREATE TABLE approvals (
    id           uuid        PRIMARY KEY,
    session_id   uuid        NOT NULL REFERENCES sessions ON DELETE CASCADE,
    user_id      uuid        NOT NULL, -- the session's, for the inbox
    run_id       uuid        NOT NULL,
    tool_call_id uuid,
    tool_name    text        NOT NULL,
    tool_input   jsonb       NOT NULL,
    status       text        NOT NULL DEFAULT 'pending',
    decided_by   uuid,
    message      text,
    remember     text,
    delivered    boolean     NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    decided_at   timestamptz
);
CREATE INDEX approvals_of_user ON approvals (user_id, status, id DESC);
CREATE INDEX approvals_of_session ON approvals (session_id, status, id DESC);
