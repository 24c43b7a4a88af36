-- What workers have not finished: looked for every few seconds, and few among many that are over.
CREATE INDEX runs_unfinished ON runs (id) WHERE requested_at IS NOT NULL AND ended_at IS NULL;
CREATE INDEX sessions_unfinished ON sessions (id) WHERE NOT ready;
CREATE INDEX archives_unfinished ON archives (status, archive_id) WHERE status <> 'ready';
