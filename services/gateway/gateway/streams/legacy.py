"""What streams and WebSockets sent in release 0.1, for clients that ask for it (`legacy=true`), until release 0.3."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from contracts.public_event import SESSION_DELETED

from gateway.clients.auth.callers import User
from gateway.streams.items import PublishedEvent
from gateway.streams.websocket_payloads import ENDED, RESULT, STATUS, STATUS_CHANGE, result_of, status_of

TYPES = {
    "session.run_requested": "message",
    "session.message_recorded": "message",
    "session.tool_call_started": "tool_call_started",
    "session.tool_call_ended": "tool_call_completed",
    "session.approval_requested": "approval_requested",
    **dict.fromkeys(ENDED, RESULT),
}
"""The types of messages by event; all other events of a session were a `status_change`."""


def payload(item: PublishedEvent) -> dict[str, Any]:
    """Return an event with its fields in a member `data`."""
    event = item.event
    members: dict[str, Any] = {
        "type": event.type,
        "session_id": event.session_id and str(event.session_id),
        "resource_id": str(event.resource),
        "sequence": item.sequence,
        "at": event.time,
        "data": event.data,
    }
    return members | ({"status": "terminated"} if event.type == SESSION_DELETED else {})


def message_type(name: str) -> str:
    """Return the type of the message that carries an event of this name, or of a reply."""
    return TYPES.get(name, STATUS_CHANGE) if name.startswith("session.") else name


async def message_of(event: PublishedEvent, session_id: UUID, user: User) -> tuple[str, dict[str, Any]]:
    """Return the type and the data of the message that carries an event: its members, and what followed from it."""
    name, members = message_type(event.name), payload(event)
    match name:
        case "message":
            more = _message(event.data, members["at"])
        case "result":
            more = {"run_id": event.data["run_id"], **await result_of(event, session_id, user)}
        case "approval_requested":
            more = {"status": "waiting"}
        case "status_change":
            status = STATUS.get(event.name) or await status_of(session_id, user)
            more = {"run_id": event.data.get("run_id"), "status": status}
        case _:
            more = {}
    return name, members | more


def _message(data: Mapping[str, Any], at: str) -> dict[str, Any]:
    blocks: list[Mapping[str, Any]] = data.get("blocks", [])
    text = "".join(block["text"] for block in blocks if block["type"] == "text")
    by_agent = {"message_type": "assistant", "content": {"content": text, "blocks": blocks}}
    truncation = {name: data[name] for name in ("truncated", "size_bytes") if name in data}
    by_user = {"message_type": "user", "content": {"content": data.get("message"), **truncation}}
    return {
        "id": data["message_id"],
        "run_id": data["run_id"],
        "sequence_number": data["sequence_number"],
        "model": data.get("model"),
        "parent_tool_call_id": data.get("parent_tool_call_id"),
        "created_at": at,
    } | (by_agent if "blocks" in data else by_user)
