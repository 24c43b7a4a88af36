-- The calls of tools that an active run may have begun, and whose results its transcript lacks: whoever continues it has to
-- know of them. `key` is what identical calls have in common; `tool_input` is JSON, and may be cut short.
CREATE TABLE begun_calls (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id  uuid   NOT NULL REFERENCES sessions ON DELETE CASCADE,
    run_id      uuid   NOT NULL,
    tool_use_id text   NOT NULL,
    tool_name   text   NOT NULL,
    key         uuid,
    tool_input  text   NOT NULL
);
CREATE INDEX begun_calls_of_run ON begun_calls (session_id, run_id);
