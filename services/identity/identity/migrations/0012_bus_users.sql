-- Users of the bus. Their private keys are not stored.
CREATE TABLE bus_users (
    id         uuid        PRIMARY KEY,
    user_id    uuid        NOT NULL,
    name       text        NOT NULL,
    types      text[]      NOT NULL,
    all_users  bool        NOT NULL,
    since      timestamptz NOT NULL,
    public_key text        NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX bus_users_user ON bus_users (user_id, id);
CREATE UNIQUE INDEX bus_users_public_key ON bus_users (public_key);
