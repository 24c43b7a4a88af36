-- `ready` is false while a fork is being copied, or an archive packed or unpacked; the error says why the last of these
-- failed.
ALTER TABLE sessions
    ADD COLUMN ready        boolean NOT NULL DEFAULT true,
    ADD COLUMN error_code   text,
    ADD COLUMN error_detail text;

-- The archive of a session, as long as it has one.
CREATE TABLE archives (
    session_id         uuid        PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
    archive_id         uuid        NOT NULL,
    status             text        NOT NULL,
    compression        text        NOT NULL,
    session_status     text        NOT NULL,  -- what the session was before, and is again when it is opened
    archive_size_bytes bigint      NOT NULL DEFAULT 0,
    file_count         bigint      NOT NULL DEFAULT 0,
    left_out           bigint      NOT NULL DEFAULT 0,
    created_at         timestamptz NOT NULL
);
