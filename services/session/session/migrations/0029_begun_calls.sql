-- The calls of tools that an active run may have begun, as JSON: whoever continues it has to know of them, also of the last,
-- which its transcript may not have yet.
CREATE TABLE begun_calls (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id uuid   NOT NULL REFERENCES sessions ON DELETE CASCADE,
    run_id     uuid   NOT NULL,
    call       text   NOT NULL
);
CREATE INDEX begun_calls_of_run ON begun_calls (session_id, run_id);
