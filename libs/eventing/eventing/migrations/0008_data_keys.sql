-- The data key of each aggregate with secrets, wrapped by the master key `key_id`. When the aggregate is deleted, both
-- columns become null: the secrets are unreadable from then on, and a deleted key differs from one that was lost.
CREATE TABLE data_keys (
    aggregate uuid PRIMARY KEY,
    key_id    text,
    wrapped   bytea,
    CHECK ((key_id IS NULL) = (wrapped IS NULL))
);
CREATE INDEX data_keys_by_master_key ON data_keys (key_id);

-- The secret events that releases before this one stored in clear. The index is empty once they are sealed.
CREATE INDEX events_in_clear ON events (originator_id, originator_version) WHERE topic IN (
    'evt.session.environment_set;1', 'evt.task_scheduler.environment_set;1', 'evt.task_scheduler.trigger_secrets_set;1'
);
