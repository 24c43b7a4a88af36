-- When it was the run's turn; a run that waits for others has not been requested yet.
ALTER TABLE runs ADD COLUMN requested_at timestamptz;
UPDATE runs SET requested_at = created_at;
