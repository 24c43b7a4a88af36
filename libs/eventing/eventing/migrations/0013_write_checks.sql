-- When the service last checked that the database accepts changes.
CREATE TABLE write_checks (
    one bool        PRIMARY KEY DEFAULT true CHECK (one),
    at  timestamptz NOT NULL
);
