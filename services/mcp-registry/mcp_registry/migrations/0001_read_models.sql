-- A server is its definition; the columns that lists show and filter by are derived from it.
CREATE TABLE servers (
    id             uuid        PRIMARY KEY,
    user_id        uuid        NOT NULL,
    definition     jsonb       NOT NULL,
    name_key       text        NOT NULL, -- the name as it is compared
    env_names      text[]      NOT NULL DEFAULT '{}',
    header_names   text[]      NOT NULL DEFAULT '{}',
    is_enabled     boolean     NOT NULL,
    is_authorized  boolean     NOT NULL DEFAULT false,
    -- Of the last event that changed how sessions have to connect. Checks do not change it.
    version        bigint      NOT NULL,
    checking       uuid, -- the check in progress
    health         text        NOT NULL DEFAULT 'unknown',
    error_code     text,
    error_detail   text,
    latency_ms     double precision,
    server_version text,
    checked_at     timestamptz,
    tools          jsonb       NOT NULL DEFAULT '[]', -- as the server listed them last
    listed         jsonb       NOT NULL DEFAULT '{}', -- their fingerprints by name
    accepted       jsonb, -- those that the owner accepted; NULL until the first list
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,

    name        text    NOT NULL GENERATED ALWAYS AS (definition ->> 'name') STORED,
    description text    NOT NULL GENERATED ALWAYS AS (definition ->> 'description') STORED,
    server_type text    NOT NULL GENERATED ALWAYS AS (definition ->> 'server_type') STORED,
    is_global   boolean NOT NULL GENERATED ALWAYS AS ((definition ->> 'is_global')::boolean) STORED,
    tool_count  int     NOT NULL GENERATED ALWAYS AS (jsonb_array_length(tools)) STORED
);
CREATE UNIQUE INDEX servers_by_name ON servers (user_id, name_key);
-- Ids of servers are UUIDs of version 7: their order is that of creation.
CREATE INDEX servers_of_user ON servers (user_id, id DESC);
CREATE INDEX global_servers ON servers (name_key, id) WHERE is_global;
-- Looked for every few seconds, and few.
CREATE INDEX servers_being_checked ON servers (id) WHERE checking IS NOT NULL;

CREATE TABLE server_environments (
    server_id uuid  PRIMARY KEY REFERENCES servers ON DELETE CASCADE,
    variables jsonb NOT NULL
);
CREATE TABLE server_headers (
    server_id uuid  PRIMARY KEY REFERENCES servers ON DELETE CASCADE,
    headers   jsonb NOT NULL
);
