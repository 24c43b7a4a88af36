-- Whose fact it is: it stands in the fact's subject on the bus, so that a reader can ask for one user's facts alone.
ALTER TABLE events ADD COLUMN owner uuid;

-- Until now an aggregate's first fact named its user, or the aggregate was a user.
UPDATE events SET owner = coalesce(
    (SELECT (convert_from(first.state, 'UTF8')::jsonb ->> 'user_id')::uuid FROM events AS first
     WHERE first.originator_id = events.originator_id AND first.originator_version = 1),
    originator_id);

ALTER TABLE events ALTER COLUMN owner SET NOT NULL;
