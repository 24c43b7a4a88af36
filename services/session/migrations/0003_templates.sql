CREATE TABLE session_templates (
    id           uuid        PRIMARY KEY,
    user_id      uuid        NOT NULL,
    name         text        NOT NULL,
    description  text        NOT NULL,
    category     text        NOT NULL,
    sdk_options  jsonb       NOT NULL,
    default_mode text        NOT NULL,
    is_public    boolean     NOT NULL,
    usage_count  bigint      NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL
);
-- Ids are UUIDs of version 7: their order is that of creation.
CREATE INDEX templates_of_user ON session_templates (user_id, id DESC);
CREATE INDEX public_templates ON session_templates (id DESC) WHERE is_public;

ALTER TABLE sessions ADD COLUMN metadata jsonb NOT NULL DEFAULT '{}';
-- What an agent sees as its environment. The values are secrets: no query of the bus gives them.
CREATE TABLE session_environments (
    session_id uuid  PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
    variables  jsonb NOT NULL
);

-- What the agent answered in the form that was asked for.
ALTER TABLE runs ADD COLUMN structured_output jsonb;
