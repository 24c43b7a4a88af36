-- Why the present agent of a run goes on with it, and how long the agents of the run have worked, without the time in which
-- they waited for approvals.
ALTER TABLE runs ADD COLUMN resumed text, ADD COLUMN worked_ms bigint NOT NULL DEFAULT 0;
