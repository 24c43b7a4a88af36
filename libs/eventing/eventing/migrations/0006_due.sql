-- Due times. `at` is the time that was set, `try_at` the time of the next attempt: a replica that claims a due time
-- first postpones `try_at`, so that no other replica takes it meanwhile, and one does if this replica crashes.
-- A due time that was given up has `try_at` infinity.
CREATE TABLE due (
    kind      text        NOT NULL,
    id        uuid        NOT NULL,
    aggregate uuid        NOT NULL,
    at        timestamptz NOT NULL,
    try_at    timestamptz NOT NULL,
    attempts  int         NOT NULL DEFAULT 0,
    envelope  jsonb       NOT NULL, -- of the event that set it: actor, correlation id and trace
    PRIMARY KEY (kind, id)
);
CREATE INDEX due_next ON due (try_at);
