-- The quotas that administrators have set, by name.
ALTER TABLE users ADD COLUMN quotas jsonb NOT NULL DEFAULT '{}';
