ALTER TABLE servers ADD COLUMN refreshing uuid; -- the refresh of the tokens that is in progress
CREATE INDEX servers_being_refreshed ON servers (id) WHERE refreshing IS NOT NULL;

-- The newest attempt of each server.
CREATE TABLE authorizations (
    server_id    uuid        PRIMARY KEY REFERENCES servers ON DELETE CASCADE,
    id           uuid        NOT NULL,
    status       text        NOT NULL DEFAULT 'pending',
    expires_at   timestamptz NOT NULL,
    error_code   text,
    error_detail text
);
-- Looked for every few seconds, and few.
CREATE INDEX authorizations_in_progress ON authorizations (id) WHERE status IN ('pending', 'returned');

CREATE TABLE server_oauth (
    server_id uuid  PRIMARY KEY REFERENCES servers ON DELETE CASCADE,
    secrets   jsonb NOT NULL
);

CREATE TABLE revocations (
    id uuid PRIMARY KEY
);
CREATE TABLE revoked_tokens (
    revocation_id uuid  PRIMARY KEY REFERENCES revocations ON DELETE CASCADE,
    tokens        jsonb NOT NULL
);
