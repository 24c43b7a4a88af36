-- What is known of a run whose agent was released while it only waited for approvals: they are `awaited`, or a worker that
-- continues the run is `requested`. NULL: its agent was never released.
ALTER TABLE runs ADD COLUMN continuation text CHECK (continuation IN ('awaited', 'requested'));
