-- Events are append-only for the role of the service. The functions below, which run as the owner of the table, permit
-- the changes that there are: secrets that an earlier release stored in clear are sealed, and the events of an aggregate
-- that was deleted are erased.
INSERT INTO privileges VALUES ('events', '{SELECT,INSERT}');

-- The aggregates that were deleted. Only a trigger adds a row. `deletion` is the version of the event that says so, which
-- is kept (0: no event is); the others are erased from `due_at` on, up to `erased_version` so far.
CREATE TABLE erasures (
    aggregate      uuid        PRIMARY KEY,
    deletion       int         NOT NULL,
    due_at         timestamptz NOT NULL,
    erased_version int         NOT NULL DEFAULT 0,
    erased_at      timestamptz
);
CREATE INDEX erasures_due ON erasures (due_at) WHERE erased_at IS NULL;
INSERT INTO privileges VALUES ('erasures', '{SELECT}');

-- How long other services and clients can still read the events of a deleted aggregate.
CREATE FUNCTION erasure_delay() RETURNS interval LANGUAGE sql IMMUTABLE AS $$ SELECT interval '24 hours' $$;

CREATE FUNCTION add_erasure() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO erasures (aggregate, deletion, due_at)
    VALUES (NEW.originator_id, NEW.originator_version, now() + erasure_delay()) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

-- Declares that an event deletes its aggregate; a service does so in its own migrations. The delay begins now for
-- aggregates that were deleted earlier.
CREATE FUNCTION erase_after(subject text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER %I AFTER INSERT ON events FOR EACH ROW '
        'WHEN (split_part(NEW.topic, '';'', 1) = %L) EXECUTE FUNCTION add_erasure()', 'erase after ' || subject, subject);
    INSERT INTO erasures (aggregate, deletion, due_at)
    SELECT originator_id, originator_version, now() + erasure_delay() FROM events
    WHERE split_part(topic, ';', 1) = subject ON CONFLICT DO NOTHING;
END $$;

-- Erases up to 1,000 events of a deleted aggregate, and returns whether none is left. The place of each event remains:
-- its id, version, owner, time, command and position in the feed.
CREATE FUNCTION erase_events(id uuid) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    found_row erasures;
    up_to int;
    newest int := (SELECT max(originator_version) FROM events WHERE originator_id = id);
BEGIN
    SELECT * INTO found_row FROM erasures WHERE aggregate = id AND due_at <= now() FOR UPDATE;
    IF NOT FOUND THEN
        RAISE insufficient_privilege USING MESSAGE = format('the events of %s may not be erased', id);
    END IF;
    up_to := least(found_row.erased_version + 1000, newest);
    UPDATE events SET topic = topic || ';erased', state = '', envelope = '{}'
    WHERE originator_id = id AND originator_version > found_row.erased_version AND originator_version <= up_to
        AND originator_version <> found_row.deletion AND topic NOT LIKE '%;erased';
    UPDATE erasures SET erased_version = up_to WHERE aggregate = id;
    RETURN up_to = newest;
END $$;

-- Records that an aggregate is erased, also outside this database.
CREATE FUNCTION complete_erasure(id uuid) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
    UPDATE erasures SET erased_at = now() WHERE aggregate = id AND erased_at IS NULL
        AND erased_version = (SELECT max(originator_version) FROM events WHERE originator_id = id)
$$;

-- Replaces the state of a secret event that an earlier release stored in clear. Others were never stored so.
CREATE FUNCTION seal_event(id uuid, version int, sealed bytea) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
    UPDATE events SET topic = topic || ';sealed', state = sealed
    WHERE originator_id = id AND originator_version = version AND topic IN (
        'evt.session.environment_set;1', 'evt.task_scheduler.environment_set;1',
        'evt.task_scheduler.trigger_secrets_set;1')
$$;

REVOKE EXECUTE ON FUNCTION add_erasure(), erase_after(text), erase_events(uuid), complete_erasure(uuid),
    seal_event(uuid, int, bytea) FROM PUBLIC;

-- A caller must not choose what the names in these functions mean: temporary tables come last, not first.
DO $$
DECLARE
    safe text;
BEGIN
    FOREACH safe IN ARRAY '{add_erasure(), erase_events(uuid), complete_erasure(uuid), "seal_event(uuid, int, bytea)"}'::text[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', safe, current_schema());
    END LOOP;
END $$;
