-- The agents' own record of their conversations, one row an entry, in the order of `position`.
CREATE TABLE transcript (
    position   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id text   NOT NULL,
    -- Empty for the conversation itself; the conversation of a subagent has a path below it.
    subpath    text   NOT NULL,
    -- The agent's name for the entry; not every kind has one.
    entry_id   text,
    type       text   NOT NULL,
    -- JSON as the agent wrote it; not jsonb, which refuses the NUL that a tool's output may hold.
    entry      text   NOT NULL
);
CREATE INDEX transcript_order ON transcript (session_id, position);
CREATE UNIQUE INDEX transcript_once ON transcript (session_id, subpath, entry_id);
