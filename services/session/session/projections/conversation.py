"""The read model of conversations: messages and tool calls."""

from typing import Any, assert_never

from contracts.session.conversation import ConversationEvent, MessageRecorded, ToolCallEnded, ToolCallStarted
from contracts.session.values import TextBlock
from eventing.database import Connection
from eventing.recording import Recorded

from session.quotas.concurrency import UPDATE_ONLY_WAITS, update_only_waits

SET_CALL_STATUS = """
    UPDATE tool_calls SET status = $3 WHERE session_id = $1 AND id = $2 AND status IN ('running', 'waiting_approval')"""


async def project_conversation(event: ConversationEvent, recorded: Recorded[Any], db: Connection) -> None:
    """Update the read model with one event of a conversation."""
    match event:
        case MessageRecorded():
            await _record_message(event, recorded, db)
        case ToolCallStarted():
            await db.execute(
                "INSERT INTO tool_calls (id, session_id, run_id, parent_tool_call_id, tool_name, tool_input, status, "
                "created_at) VALUES ($1, $2, $3, $4, $5, $6, 'running', $7)",
                event.tool_call_id, recorded.id, event.run_id, event.parent_tool_call_id, event.tool_name,
                event.tool_input,
                recorded.at,
            )  # fmt: skip
            await db.execute("UPDATE sessions SET total_tool_calls = total_tool_calls + 1 WHERE id = $1", recorded.id)
            await db.execute(UPDATE_ONLY_WAITS, event.run_id, recorded.id)
        case ToolCallEnded():
            await db.execute(
                "UPDATE tool_calls SET status = $3, tool_output = $4, duration_ms = $5 "
                "WHERE session_id = $1 AND id = $2",
                recorded.id, event.tool_call_id, event.status, event.tool_output, event.duration_ms,
            )  # fmt: skip
            await update_only_waits(event.run_id, recorded, db)
        case _:
            assert_never(event)


async def _record_message(event: MessageRecorded, recorded: Recorded[Any], db: Connection) -> None:
    text = "".join(block.text for block in event.blocks if isinstance(block, TextBlock))
    blocks = [block.model_dump(mode="json") for block in event.blocks]
    await db.execute(
        "INSERT INTO messages (session_id, sequence_number, id, run_id, message_type, content, model, "
        "parent_tool_call_id, created_at, entry_id, incomplete) "
        "VALUES ($1, $2, $3, $4, 'assistant', $5, $6, $7, $8, $9, $10)",
        recorded.id, event.sequence_number, event.message_id, event.run_id, {"content": text, "blocks": blocks},
        event.model, event.parent_tool_call_id, recorded.at, event.entry_id, event.incomplete,
    )  # fmt: skip
    if text and event.parent_tool_call_id is None:
        await db.execute("UPDATE runs SET answer = $2 WHERE id = $1", event.run_id, event.sequence_number)
    await db.execute(
        "UPDATE sessions SET total_messages = $2, updated_at = $3 WHERE id = $1",
        recorded.id, event.sequence_number, recorded.at,
    )  # fmt: skip
