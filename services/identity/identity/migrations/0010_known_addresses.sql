-- From which network addresses a login to an account has succeeded in the last weeks. `key` is a digest of both.
CREATE TABLE known_addresses (
    key     bytea       PRIMARY KEY,
    last_at timestamptz NOT NULL
);
CREATE INDEX known_addresses_age ON known_addresses (last_at);
