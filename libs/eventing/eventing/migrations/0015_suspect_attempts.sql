-- Attempts at an event that is suspected of crashing the service, counted as they begin: a delivery is no attempt if the
-- service crashes while the event waits for another suspect.
ALTER TABLE waits ADD COLUMN attempts int NOT NULL DEFAULT 0;
