-- Before there was this table, a call began only once its message was recorded.
INSERT INTO begun_calls (session_id, run_id, call)
SELECT session_id, run_id,
    jsonb_build_object('tool_use_id', block ->> 'id', 'tool_name', block ->> 'name', 'tool_input', block -> 'input')::text
FROM messages JOIN runs USING (session_id), jsonb_array_elements(content -> 'blocks') AS block
WHERE runs.id = messages.run_id AND runs.ended_at IS NULL AND message_type = 'assistant' AND block ->> 'type' = 'tool_use'
ORDER BY sequence_number;
