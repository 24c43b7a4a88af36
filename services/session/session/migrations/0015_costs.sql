-- The model that a run's usage is attributed to, and the template that a session was created from. The latter is not in
-- `sessions`, because replicas of the earlier release read all columns of that.
ALTER TABLE runs ADD COLUMN model text;
CREATE TABLE session_origins (
    session_id  uuid PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
    template_id uuid NOT NULL
);

-- Returns the content of an event. The output of an agent may contain NUL, which is no text for PostgreSQL.
CREATE FUNCTION content_of_event(state bytea) RETURNS jsonb LANGUAGE sql AS $$
    SELECT regexp_replace(convert_from(state, 'UTF8'), '(?<!\\)((?:\\\\)*)\\u0000', '\1\\ufffd', 'g')::jsonb
$$;
INSERT INTO session_origins
SELECT s.id, (content_of_event(e.state) ->> 'template_id')::uuid
FROM sessions s JOIN events e ON e.originator_id = s.id AND e.originator_version = 1
WHERE content_of_event(e.state) ->> 'template_id' IS NOT NULL;
UPDATE runs SET model = s.sdk_options ->> 'model' FROM sessions s
WHERE s.id = runs.session_id AND runs.attempt > 0 AND s.sdk_options ->> 'model' IS NOT NULL;

-- What the runs of all users have used, by the day (UTC) on which they ended. The rows stay when sessions are deleted.
-- The costs of a key are the sum over its slots.
CREATE TABLE costs (
    day           date    NOT NULL,
    user_id       uuid    NOT NULL,
    model         text    NOT NULL, -- empty if it is unknown
    template_id   uuid    NOT NULL, -- zero without a template
    slot          int     NOT NULL,
    cost_usd      numeric NOT NULL,
    input_tokens  bigint  NOT NULL,
    output_tokens bigint  NOT NULL,
    runs          bigint  NOT NULL,
    PRIMARY KEY (day, user_id, model, template_id, slot)
);
CREATE INDEX costs_of_user ON costs (user_id, day);

-- Started runs that were cancelled because their session was deleted, until their agents report what they have used.
CREATE TABLE unbilled_runs (
    run_id      uuid        PRIMARY KEY,
    model       text        NOT NULL,
    template_id uuid        NOT NULL,
    deleted_at  timestamptz NOT NULL
);
CREATE INDEX unbilled_runs_age ON unbilled_runs (deleted_at);

-- What the usage of a run is attributed to. Agents report the model that answered: the only name of it if neither the
-- session nor the service names one.
CREATE VIEW attributed_runs AS
SELECT r.id AS run_id, r.session_id, r.attempt > 0 AS started,
    coalesce(r.model, (
        SELECT left(model, 200) FROM messages WHERE run_id = r.id AND model IS NOT NULL ORDER BY sequence_number LIMIT 1
    ), '') AS model,
    coalesce(o.template_id, '00000000-0000-0000-0000-000000000000') AS template_id
FROM runs r LEFT JOIN session_origins o ON o.session_id = r.session_id
UNION ALL
SELECT run_id, NULL, true, model, template_id FROM unbilled_runs;

-- Returns the first slot of a user that no other transaction holds, and holds it until the transaction ends. So runs of
-- a user that end at the same time do not wait for each other, and others do not add to the number of rows. If all 64
-- are taken, two transactions share one and wait for each other; the sums stay correct.
CREATE FUNCTION cost_slot(owner uuid) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    of_user int := hashtext(owner::text) & ~63;
BEGIN
    FOR slot IN 0..63 LOOP
        IF pg_try_advisory_xact_lock('costs'::regclass::oid::int, of_user | slot) THEN
            RETURN slot;
        END IF;
    END LOOP;
    RETURN pg_backend_pid() % 64;
END $$;

-- From the stored events, which are kept when sessions are deleted. The model is that of the session's present options.
INSERT INTO costs (day, user_id, model, template_id, slot, cost_usd, input_tokens, output_tokens, runs)
SELECT (e.recorded_at AT TIME ZONE 'UTC')::date, e.owner, coalesce(s.sdk_options ->> 'model', ''),
    coalesce(o.template_id, '00000000-0000-0000-0000-000000000000'), 0,
    sum(coalesce((usage ->> 'cost_usd')::numeric, 0)), sum(coalesce((usage ->> 'input_tokens')::bigint, 0)),
    sum(coalesce((usage ->> 'output_tokens')::bigint, 0)),
    count(*) FILTER (WHERE e.topic NOT LIKE 'evt.session.usage_recorded;%')
FROM events e
CROSS JOIN LATERAL (SELECT content_of_event(e.state) -> 'usage') AS stored (usage)
LEFT JOIN sessions s ON s.id = e.originator_id
LEFT JOIN session_origins o ON o.session_id = s.id
WHERE e.topic ~ '^evt\.session\.(run_completed|run_failed|run_cancelled|usage_recorded);'
GROUP BY 1, 2, 3, 4;
DROP FUNCTION content_of_event;
