-- The bytes of each session's files. `reserved_bytes` are those of files that are being written; those of a worker that
-- was killed count until the workspace is measured. `changes` counts writes, so that a measurement that began before one
-- is not stored. A session from before this migration is measured when its files change first.
CREATE TABLE session_storage (
    session_id      uuid   PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
    user_id         uuid   NOT NULL,
    workspace_bytes bigint NOT NULL DEFAULT 0,
    archive_bytes   bigint NOT NULL DEFAULT 0,
    reserved_bytes  bigint NOT NULL DEFAULT 0,
    reserved_at     timestamptz,
    measured        bool   NOT NULL DEFAULT false,
    changes         bigint NOT NULL DEFAULT 0
);

-- The sum over the sessions of a user. A transaction that changes it holds the row until its end: so of two that would
-- together exceed a quota, the second one sees the bytes of the first.
CREATE TABLE storage_used (
    user_id uuid   PRIMARY KEY,
    bytes   bigint NOT NULL
);

CREATE FUNCTION add_storage() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    change bigint := coalesce(NEW.workspace_bytes + NEW.archive_bytes + NEW.reserved_bytes, 0)
        - coalesce(OLD.workspace_bytes + OLD.archive_bytes + OLD.reserved_bytes, 0);
BEGIN
    IF change <> 0 THEN
        INSERT INTO storage_used AS u (user_id, bytes) VALUES (coalesce(NEW.user_id, OLD.user_id), change)
        ON CONFLICT (user_id) DO UPDATE SET bytes = u.bytes + excluded.bytes;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER add_storage AFTER INSERT OR UPDATE OR DELETE ON session_storage
    FOR EACH ROW EXECUTE FUNCTION add_storage();

INSERT INTO session_storage (session_id, user_id, archive_bytes, measured)
SELECT a.session_id, s.user_id, a.archive_size_bytes, true FROM archives a JOIN sessions s ON s.id = a.session_id
WHERE a.status = 'ready';
