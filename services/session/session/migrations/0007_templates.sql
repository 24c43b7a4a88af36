CREATE TABLE session_templates (
    id           uuid        PRIMARY KEY,
    user_id      uuid        NOT NULL,
    name         text        NOT NULL,
    description  text        NOT NULL,
    category     text        NOT NULL,
    sdk_options  json        NOT NULL, -- json, which keeps the order of the properties that an answer is to have
    default_mode text        NOT NULL,
    is_public    boolean     NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL
);
-- Ids are UUIDs of version 7: their order is that of creation.
CREATE INDEX templates_of_user ON session_templates (user_id, id DESC);
CREATE INDEX public_templates ON session_templates (id DESC) WHERE is_public;

-- How many sessions were made from a template: the sum over its slots. A connection writes to its own, so that sessions
-- made at the same time do not wait for each other.
CREATE TABLE template_uses (
    template_id uuid   NOT NULL,
    slot        int    NOT NULL,
    n           bigint NOT NULL,
    PRIMARY KEY (template_id, slot)
);

ALTER TABLE sessions
    ALTER COLUMN sdk_options TYPE json,
    ADD COLUMN metadata json NOT NULL DEFAULT '{}';
-- What an agent sees as its environment. The values are secrets: no query of the bus gives them.
CREATE TABLE session_environments (
    session_id uuid  PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
    variables  jsonb NOT NULL
);

-- What the agent answered in the form that was asked for.
ALTER TABLE runs ADD COLUMN structured_output json;
