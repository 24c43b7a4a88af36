-- What was asked, also of a run that waits and has no message yet.
ALTER TABLE runs ADD COLUMN message text NOT NULL DEFAULT '';
UPDATE runs SET message = m.content ->> 'content' FROM messages m WHERE m.run_id = runs.id AND m.message_type = 'user';

CREATE INDEX messages_by_id ON messages (session_id, id);
CREATE INDEX messages_of_run ON messages (run_id, sequence_number);

-- The tool call that started the subagent; null for the agent itself.
ALTER TABLE messages ADD COLUMN parent_tool_call_id uuid;
ALTER TABLE tool_calls ADD COLUMN parent_tool_call_id uuid;
