-- Approvals that are pending expire by a due time, no more by their worker.
INSERT INTO due (kind, id, aggregate, at, try_at, envelope)
SELECT 'approval_expiry', id, session_id, expires_at, expires_at,
    jsonb_build_object('ce-id', id, 'correlation-id', id, 'actor', user_id || ' user')
FROM approvals WHERE status = 'pending'
ON CONFLICT DO NOTHING;
