-- Who may add to a conversation, and how large it is. `run_id` and `attempt` name the worker whose agent writes: that of
-- the run that was started last. `attempt` is null once somebody else has ended that run. Written in the transaction of
-- the run's own events, so that an agent which was replaced adds nothing any more.
CREATE TABLE conversations (
    session_id uuid   PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
    run_id     uuid,
    attempt    int,
    bytes      bigint NOT NULL DEFAULT 0,
    -- How far a fork has copied the transcript of its parent: the position there.
    copied     bigint NOT NULL DEFAULT 0
);
-- A conversation that is there already is no fork that waits to be copied.
INSERT INTO conversations (session_id, run_id, attempt, bytes, copied)
SELECT s.id, r.id, r.attempt, t.bytes, 9223372036854775807
FROM sessions s
JOIN (SELECT session_id, sum(octet_length(entry)) AS bytes FROM transcript GROUP BY session_id) t
    ON t.session_id = s.id::text
LEFT JOIN LATERAL (
    SELECT id, attempt FROM runs WHERE session_id = s.id AND attempt > 0 AND ended_at IS NULL ORDER BY id DESC LIMIT 1
) r ON true;
