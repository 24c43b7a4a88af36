CREATE TABLE webhooks (
    id              uuid        PRIMARY KEY,
    user_id         uuid        NOT NULL,
    url             text        NOT NULL,
    types           text[]      NOT NULL,
    description     text        NOT NULL,
    all_users       boolean     NOT NULL,
    payload_version int         NOT NULL,
    is_active       boolean     NOT NULL DEFAULT true,
    disabled_reason text,
    disabled_at     timestamptz,
    since           timestamptz NOT NULL, -- earlier events are not delivered
    rotated_at      timestamptz,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    -- Written by the deliverer, not by events.
    failing_since   timestamptz, -- the first failure since the last success
    failures        int         NOT NULL DEFAULT 0 -- since the last success
);
-- Ids of webhooks are UUIDs of version 7: their order is that of creation.
CREATE INDEX webhooks_of_user ON webhooks (user_id, id DESC);
CREATE INDEX webhooks_for_all ON webhooks (id) WHERE all_users;

CREATE TABLE webhook_secrets (
    webhook_id uuid  PRIMARY KEY REFERENCES webhooks ON DELETE CASCADE,
    secrets    jsonb NOT NULL
);
SELECT erase_after('evt.webhook.deleted');
