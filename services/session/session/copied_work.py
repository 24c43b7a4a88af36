"""Copies to a fork the tool calls and runs that its messages name."""

from uuid import UUID

from eventing.database import Database

BATCH_MESSAGES = 100
"""The number of messages whose tool calls are copied in one transaction."""
# A call belongs to the message with its block: the messages of the fork say which calls it has. Only calls that are new
# to it are counted, so that the copy can be repeated. OFFSET 0 makes PostgreSQL look up each call by its id; it
# expects more blocks than there are, and would otherwise read all calls of the parent for each batch.
COPY_CALLS = """
    WITH copied AS (
        INSERT INTO tool_calls (session_id, id, run_id, parent_tool_call_id, tool_name, tool_input, tool_output, status,
            duration_ms, created_at)
        SELECT $2, t.id, t.run_id, t.parent_tool_call_id, t.tool_name, t.tool_input, t.tool_output, t.status,
            t.duration_ms, t.created_at
        FROM messages m CROSS JOIN LATERAL jsonb_array_elements(m.content -> 'blocks') AS block
        CROSS JOIN LATERAL (
            SELECT * FROM tool_calls c WHERE c.session_id = $1 AND c.id = (block ->> 'tool_call_id')::uuid OFFSET 0
        ) AS t
        WHERE m.session_id = $2 AND m.sequence_number > $3 AND m.sequence_number <= $4
        ON CONFLICT DO NOTHING RETURNING id
    ), counted AS (SELECT count(*) AS number FROM copied)
    UPDATE sessions SET total_tool_calls = total_tool_calls + counted.number FROM counted
    WHERE sessions.id = $2 AND counted.number > 0"""
# Of a run whose last messages the fork does not have, the answer is its last text there.
COPY_RUNS = """
    INSERT INTO copied_runs (session_id, id, message, status, attempt, error_code, error_detail, answer,
        structured_output, mcp_servers, created_at, ended_at)
    SELECT $2, r.id, r.message, r.status, r.attempt, r.error_code, r.error_detail,
        CASE WHEN r.answer <= (SELECT total_messages FROM sessions WHERE id = $2) THEN r.answer ELSE (
            SELECT max(a.sequence_number) FROM messages a
            WHERE a.session_id = $2 AND a.run_id = r.id AND a.message_type = 'assistant'
                AND a.parent_tool_call_id IS NULL AND a.content ->> 'content' <> '') END,
        CASE WHEN NOT EXISTS (
            SELECT FROM messages l WHERE l.session_id = $1 AND l.run_id = r.id
                AND l.sequence_number > (SELECT total_messages FROM sessions WHERE id = $2)
        ) THEN r.structured_output END,
        r.mcp_servers, r.created_at, r.ended_at
    FROM (
        SELECT DISTINCT run_id FROM messages
        WHERE session_id = $2 AND sequence_number > $3 AND sequence_number <= $4
    ) AS of_fork JOIN shown_runs r ON r.session_id = $1 AND r.id = of_fork.run_id
    ON CONFLICT DO NOTHING"""


class CopiedWork:
    """The tool calls and runs of forks. They use connections of their own, as all copies to forks do."""

    def __init__(self, copying: Database) -> None:
        self._copying = copying

    async def copy(self, session_id: UUID, fork_id: UUID, messages: int) -> None:
        """Copy what the first `messages` messages of a fork name from its parent, unless it was copied before."""
        for first in range(0, messages, BATCH_MESSAGES):
            batch = (session_id, fork_id, first, first + BATCH_MESSAGES)
            await self._copying.execute(COPY_CALLS, *batch)
            await self._copying.execute(COPY_RUNS, *batch)
