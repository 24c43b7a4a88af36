-- Before there was this table, a call began only once its message was recorded. Their keys cannot be computed here.
INSERT INTO begun_calls (session_id, run_id, tool_use_id, tool_name, tool_input)
SELECT messages.session_id, messages.run_id, block ->> 'id', block ->> 'name', (block -> 'input')::text
FROM messages JOIN runs ON runs.id = messages.run_id AND runs.session_id = messages.session_id,
    jsonb_array_elements(content -> 'blocks') AS block
WHERE runs.ended_at IS NULL AND message_type = 'assistant' AND block ->> 'type' = 'tool_use' AND NOT EXISTS (
    SELECT FROM tool_calls WHERE tool_calls.session_id = messages.session_id
        AND tool_calls.id = (block ->> 'tool_call_id')::uuid AND status IN ('success', 'error', 'denied'))
ORDER BY sequence_number;
