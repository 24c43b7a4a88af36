-- What a change without an event was about, and how many bytes it wrote.
ALTER TABLE audit_log ADD COLUMN detail text, ADD COLUMN size_bytes bigint;
