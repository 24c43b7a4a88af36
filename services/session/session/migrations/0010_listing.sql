-- A list of one mode's sessions.
CREATE INDEX sessions_of_user_by_mode ON sessions (user_id, mode, id DESC);

-- How many sessions of all users are in each status: so few rows that a sum over them costs the same, however many users
-- there are. A transaction writes to a slot of its own, so that users never wait for each other here.
CREATE TABLE session_totals (
    status text   NOT NULL,
    slot   int    NOT NULL,
    n      bigint NOT NULL,
    PRIMARY KEY (status, slot)
);

-- Returns the slot that the transaction holds alone until it ends: that of its process, or the next one that is free.
-- When all are taken it is that of the process; two that share one wait for each other, and stay correct.
CREATE FUNCTION slot_of_totals() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    own int := pg_backend_pid() % 64;
BEGIN
    FOR further IN 0..63 LOOP
        IF pg_try_advisory_xact_lock('session_totals'::regclass::oid::int, (own + further) % 64) THEN
            RETURN (own + further) % 64;
        END IF;
    END LOOP;
    RETURN own;
END $$;

CREATE FUNCTION total_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO session_totals AS t (status, slot, n)
    SELECT status, slot_of_totals(), sum(n)
    FROM (
        SELECT NEW.status, 1 WHERE TG_OP <> 'DELETE'
        UNION ALL
        SELECT OLD.status, -1 WHERE TG_OP <> 'INSERT'
    ) AS change (status, n)
    GROUP BY status
    HAVING sum(n) <> 0
    ORDER BY status -- always locked in one order, so that no two wait for each other
    ON CONFLICT (status, slot) DO UPDATE SET n = t.n + excluded.n;
    RETURN NULL;
END $$;

-- Until the end of this migration nobody else writes sessions: what is counted below is what the trigger goes on from.
CREATE TRIGGER total_sessions AFTER INSERT OR UPDATE OF status OR DELETE ON sessions
    FOR EACH ROW EXECUTE FUNCTION total_sessions();
INSERT INTO session_totals (status, slot, n) SELECT status, 0, count(*) FROM sessions GROUP BY status;

-- A session that works without people is completed after its last run.
UPDATE sessions SET status = 'completed' WHERE mode = 'non_interactive' AND status = 'active';
UPDATE archives a SET session_status = 'completed' FROM sessions s
    WHERE s.id = a.session_id AND s.mode = 'non_interactive' AND a.session_status = 'active';
