-- How many agents use each other up to this session.
ALTER TABLE sessions ADD COLUMN depth integer NOT NULL DEFAULT 0;
