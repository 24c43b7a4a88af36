-- False while a fork is being copied, or an archive packed or unpacked.
ALTER TABLE sessions ADD COLUMN ready boolean NOT NULL DEFAULT true;
