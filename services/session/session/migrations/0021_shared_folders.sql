-- The folders that all replicas share, by the setting with their path. Each contains a file with its `id`, so that a replica
-- which was started with another folder is noticed.
CREATE TABLE shared_folders (
    setting text PRIMARY KEY,
    id      text NOT NULL
);
