-- A tool call waits for its approval, and one that was not approved is denied, not failed.
UPDATE tool_calls t SET status = CASE a.status WHEN 'pending' THEN 'waiting_approval' ELSE 'denied' END
FROM approvals a
WHERE a.session_id = t.session_id AND a.tool_call_id = t.id
    AND ((a.status = 'pending' AND t.status = 'running') OR (a.status IN ('denied', 'expired') AND t.status = 'error'));
