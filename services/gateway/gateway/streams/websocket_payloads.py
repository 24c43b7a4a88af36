"""The messages of a WebSocket: events under their own names, in shapes close to those of the REST API."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.run import GetRun
from contracts.session.run_view import RunView
from contracts.session.session import GetSession
from runtime.bus import Unavailable

from gateway.clients.auth.callers import User
from gateway.schemas.run import Answer
from gateway.streams.items import PublishedEvent

STATUS_CHANGE = "status_change"
NAMES = {
    "session.run_requested": "message",
    "session.message_recorded": "message",
    "session.tool_call_started": "tool_call_started",
    "session.tool_call_ended": "tool_call_completed",
    "session.approval_requested": "approval_requested",
    "session.run_completed": "result",
    "session.run_failed": "result",
    "session.run_cancelled": "result",
}
"""The types of messages by event; all other events of a session are a `status_change`."""
STATUS = {
    "session.created": "created",
    "session.run_queued": "queued",
    "session.run_started": "processing",
    "session.paused": "paused",
    "session.deleted": "terminated",
}
"""The status of the session, or of a queued run, after an event; after others it has to be queried."""
ENDED = {
    "session.run_completed": "completed",
    "session.run_failed": "failed",
    "session.run_cancelled": "cancelled",
}


def message_type(name: str) -> str:
    """Return the type of the message that carries an event of this name."""
    return NAMES.get(name, STATUS_CHANGE) if name.startswith("session.") else name


async def message_of(event: PublishedEvent, session_id: UUID, user: User) -> tuple[str, dict[str, Any]]:
    """Return the type and the data of the message that carries an event: its own members, and what follows from it."""
    name, payload = message_type(event.name), event.payload
    match name:
        case "message":
            more = _message(event.data, payload["at"])
        case "result":
            more = await _result(event, session_id, user)
        case "approval_requested":
            more = {"status": "waiting"}
        case "status_change":
            status = STATUS.get(event.name) or await status_of(session_id, user)
            more = {"run_id": event.data.get("run_id"), "status": status}
        case _:
            more = {}
    return name, payload | more


async def status_of(session_id: UUID, user: User) -> str | None:
    """Return the current status of the session; None if it cannot be queried."""
    try:
        return (await user.ask(GetSession(session_id=session_id))).status
    except (Refusal, Unavailable):
        return None


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


async def _result(event: PublishedEvent, session_id: UUID, user: User) -> dict[str, Any]:
    data = event.data
    result: dict[str, Any] = {
        "run_id": data["run_id"],
        "status": ENDED[event.name],
        "error_code": data.get("error_code"),
        "error_detail": data.get("error_detail"),
        "metrics": data["usage"],
    }
    try:
        run: RunView = await user.ask(GetRun(session_id=session_id, run_id=UUID(data["run_id"])))
    except (Refusal, Unavailable):  # the session may have been deleted: the event alone must do
        code = Code.RUN_CANCELLED if event.name == "session.run_cancelled" else result["error_code"]
        return result | {"error_code": code, "message_id": None, "content": None, "tool_calls": None}
    outcome = {"error_code": run.error_code, "error_detail": run.error_detail}
    return result | outcome | Answer.to(run).model_dump(mode="json")
