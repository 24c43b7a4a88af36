-- Accounts without a password, which programs use by API keys.
ALTER TABLE users ADD COLUMN is_service_account bool NOT NULL DEFAULT false;

-- When role or state were changed last, and the version of that event: the bucket on the bus is filled from here, so
-- that tokens issued before the change do not keep the previous role.
ALTER TABLE users ADD COLUMN access_version integer NOT NULL DEFAULT 1;
ALTER TABLE users ADD COLUMN access_changed_at timestamptz;
CREATE INDEX users_access_changed ON users (access_changed_at) WHERE access_changed_at IS NOT NULL;

CREATE TABLE api_keys (
    id           uuid        PRIMARY KEY,
    user_id      uuid        NOT NULL,
    name         text        NOT NULL,
    scopes       text[]      NOT NULL,
    secret_hash  text,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    last_used_at timestamptz
);
CREATE INDEX api_keys_user ON api_keys (user_id, id);
