-- The failed logins of the last minutes, by account and by network address, whether or not the account exists. Neither
-- is stored in clear: `key` is a digest.
CREATE TABLE login_failures (
    key     bytea         PRIMARY KEY,
    times   timestamptz[] NOT NULL,
    last_at timestamptz   NOT NULL
);
CREATE INDEX login_failures_age ON login_failures (last_at);
