-- No foreign keys to webhooks: the rows of a deleted one are removed in batches, and an event that is stored at the same
-- moment must not fail.

-- What is sent for an event, once for all webhooks that want it.
CREATE TABLE payloads (
    event_id    uuid        NOT NULL,
    version     int         NOT NULL,
    belongs_to  uuid        NOT NULL, -- the session, task and so on with which its content is erased
    body        text        NOT NULL,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (event_id, version)
);
CREATE INDEX payloads_by_expiry ON payloads (expires_at);
CREATE INDEX payloads_by_origin ON payloads (belongs_to);

CREATE TABLE deliveries (
    id          uuid        PRIMARY KEY, -- derives from webhook and event, so that no event is there twice
    number      bigint      NOT NULL GENERATED ALWAYS AS IDENTITY, -- their order
    webhook_id  uuid        NOT NULL,
    event_id    uuid        NOT NULL,
    version     int         NOT NULL, -- of the payload
    resource_id uuid        NOT NULL,
    type        text        NOT NULL,
    status      text        NOT NULL DEFAULT 'pending',
    attempt_count int       NOT NULL DEFAULT 0,
    attempts    jsonb       NOT NULL DEFAULT '[]',
    created_at  timestamptz NOT NULL,
    ended_at    timestamptz
);
CREATE UNIQUE INDEX deliveries_of_webhook ON deliveries (webhook_id, number DESC);
CREATE INDEX pending_deliveries ON deliveries (webhook_id, resource_id, number) WHERE status = 'pending';
-- To remove old ones: rows are stored in the order of their age, more or less.
CREATE INDEX deliveries_by_age ON deliveries USING brin (created_at);

-- One row for each resource of a webhook that has pending deliveries, of which only the first may be sent. It is claimed
-- by a deliverer until `next_at`, and free again at that time if that one has ended.
CREATE TABLE lanes (
    webhook_id  uuid        NOT NULL,
    resource_id uuid        NOT NULL,
    next_at     timestamptz NOT NULL,
    claim       uuid,
    PRIMARY KEY (webhook_id, resource_id)
);
CREATE INDEX due_lanes ON lanes (webhook_id, next_at);
