"""The statements of the queue of deliveries."""

FAILING = 5
"""Failures in a row after which a webhook gets one request at a time, until one succeeds."""
MAX_ATTEMPTS_KEPT = 10
"""Attempts of a delivery that its history shows, the last ones."""

# The webhooks that have lanes are found one after the other in the index, whatever the number of their lanes. Of each,
# those are candidates that are due first, at most as many as it may have in progress; of all, those that are due first.
CLAIM = """
    WITH RECURSIVE busy AS (
        (SELECT webhook_id FROM lanes ORDER BY webhook_id LIMIT 1)
        UNION ALL
        SELECT n.webhook_id FROM busy AS b CROSS JOIN LATERAL (
            SELECT l.webhook_id FROM lanes AS l WHERE l.webhook_id > b.webhook_id ORDER BY l.webhook_id LIMIT 1) AS n),
    candidates AS (
        SELECT due.webhook_id, due.resource_id FROM busy AS b
        LEFT JOIN webhooks AS w ON w.id = b.webhook_id
        LEFT JOIN unnest($4::uuid[], $5::int[]) AS used (webhook_id, n) ON used.webhook_id = b.webhook_id
        CROSS JOIN LATERAL (
            SELECT l.webhook_id, l.resource_id, l.next_at FROM lanes AS l
            WHERE l.webhook_id = b.webhook_id AND l.next_at <= clock_timestamp()
            ORDER BY l.next_at
            LIMIT greatest(0, CASE WHEN w.failures >= $7 THEN 1 ELSE $6 END - coalesce(used.n, 0))) AS due
        ORDER BY due.next_at LIMIT $3),
    free AS (
        SELECT l.webhook_id, l.resource_id FROM lanes AS l JOIN candidates USING (webhook_id, resource_id)
        WHERE l.next_at <= clock_timestamp() FOR UPDATE OF l SKIP LOCKED),
    claimed AS (
        UPDATE lanes AS l SET claim = $1, next_at = clock_timestamp() + $2::interval
        FROM free WHERE l.webhook_id = free.webhook_id AND l.resource_id = free.resource_id
        RETURNING l.webhook_id, l.resource_id)
    SELECT c.webhook_id, c.resource_id, d.id, d.type, d.attempt_count, d.created_at, p.body,
        d.attempts = '[]' AS is_first
    FROM claimed AS c
    LEFT JOIN LATERAL (
        SELECT * FROM deliveries AS d
        WHERE d.webhook_id = c.webhook_id AND d.resource_id = c.resource_id AND d.status = 'pending'
        ORDER BY d.number LIMIT 1) AS d ON true
    LEFT JOIN payloads AS p ON p.event_id = d.event_id AND p.version = d.version"""
NEXT = """
    WITH RECURSIVE busy AS (
        (SELECT webhook_id, next_at FROM lanes ORDER BY webhook_id, next_at LIMIT 1)
        UNION ALL
        SELECT n.webhook_id, n.next_at FROM busy AS b CROSS JOIN LATERAL (
            SELECT l.webhook_id, l.next_at FROM lanes AS l WHERE l.webhook_id > b.webhook_id
            ORDER BY l.webhook_id, l.next_at LIMIT 1) AS n)
    SELECT extract(epoch FROM min(next_at) - clock_timestamp())::float8 FROM busy WHERE webhook_id <> ALL($1)"""
LOCK = """
    SELECT l.webhook_id, l.resource_id, l.claim FROM lanes AS l
    JOIN unnest($1::uuid[], $2::uuid[]) AS ended (webhook_id, resource_id) USING (webhook_id, resource_id)
    ORDER BY l.webhook_id, l.resource_id FOR UPDATE OF l"""
RECORD = f"""
    UPDATE deliveries AS d SET status = ended.status, attempt_count = d.attempt_count + 1,
        attempts = CASE WHEN jsonb_array_length(d.attempts) < {MAX_ATTEMPTS_KEPT} THEN d.attempts
            ELSE d.attempts - 0 END || ended.attempt,
        ended_at = CASE WHEN ended.status = 'pending' THEN NULL ELSE clock_timestamp() END
    FROM unnest($1::uuid[], $2::text[], $3::jsonb[]) AS ended (id, status, attempt)
    WHERE d.id = ended.id"""  # noqa: S608  no input
REMOVE_EMPTY = """
    DELETE FROM lanes AS l USING unnest($1::uuid[], $2::uuid[]) AS ended (webhook_id, resource_id)
    WHERE l.webhook_id = ended.webhook_id AND l.resource_id = ended.resource_id AND NOT EXISTS (
        SELECT FROM deliveries AS d
        WHERE d.webhook_id = l.webhook_id AND d.resource_id = l.resource_id AND d.status = 'pending')"""
RELEASE = """
    UPDATE lanes AS l SET claim = NULL, next_at = clock_timestamp() + ended.pause
    FROM unnest($1::uuid[], $2::uuid[], $3::interval[]) AS ended (webhook_id, resource_id, pause)
    WHERE l.webhook_id = ended.webhook_id AND l.resource_id = ended.resource_id"""
FAILED = """
    UPDATE webhooks AS w SET failures = w.failures + failed.n, failing_since = coalesce(w.failing_since, failed.since)
    FROM unnest($1::uuid[], $2::int[], $3::timestamptz[]) AS failed (id, n, since) WHERE w.id = failed.id
    RETURNING w.id, w.is_active, w.failing_since"""
SUCCEEDED = """
    WITH failing AS (
        SELECT id, failures FROM webhooks WHERE id = ANY($1) AND failing_since IS NOT NULL ORDER BY id FOR UPDATE)
    UPDATE webhooks AS w SET failures = 0, failing_since = NULL FROM failing WHERE w.id = failing.id
    RETURNING w.id, failing.failures"""
# A receiver that works again gets at once what waits for a later attempt.
BRING_FORWARD = """
    UPDATE lanes AS l SET next_at = clock_timestamp()
    FROM (
        SELECT webhook_id, resource_id FROM lanes
        WHERE webhook_id = $1 AND claim IS NULL AND next_at > clock_timestamp() FOR UPDATE SKIP LOCKED) AS f
    WHERE l.webhook_id = f.webhook_id AND l.resource_id = f.resource_id"""
RELEASE_CLAIMS = "UPDATE lanes SET claim = NULL, next_at = clock_timestamp() WHERE claim = ANY($1)"
