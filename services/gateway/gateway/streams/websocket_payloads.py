"""What a WebSocket tells: events under names of their own, in shapes near those of the REST API."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.run import GetRun, RunView
from contracts.session.session import GetSession
from runtime.bus import Unavailable

from gateway.auth.callers import User
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
"""What the events are called here; all others of a session are a `status_change`."""
STATUS = {
    "session.created": "created",
    "session.run_queued": "queued",
    "session.run_started": "processing",
    "session.paused": "paused",
    "session.deleted": "terminated",
}
"""What the session, or a run that waits for its turn, is in after an event; after others one has to look."""
ENDED = {
    "session.run_completed": "completed",
    "session.run_failed": "failed",
    "session.run_cancelled": "cancelled",
}


def called(name: str) -> str:
    """Give what an event of this name is called here."""
    return NAMES.get(name, STATUS_CHANGE) if name.startswith("session.") else name


async def spoken(event: PublishedEvent, session_id: UUID, user: User) -> tuple[str, dict[str, Any]]:
    """Give an event's name and data: what events show, and what it means."""
    name, payload = called(event.name), event.payload
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
    """Give the session's status as it is now; None when nobody can say."""
    try:
        return (await user.ask(GetSession(session_id=session_id))).status
    except (Refusal, Unavailable):
        return None


def _message(data: Mapping[str, Any], at: str) -> dict[str, Any]:
    blocks: list[Mapping[str, Any]] = data.get("blocks", [])
    said = "".join(block["text"] for block in blocks if block["type"] == "text")
    by_agent = {"message_type": "assistant", "content": {"content": said, "blocks": blocks}}
    cut = {name: data[name] for name in ("truncated", "size_bytes") if name in data}
    by_user = {"message_type": "user", "content": {"content": data.get("message"), **cut}}
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
    told: dict[str, Any] = {
        "run_id": data["run_id"],
        "status": ENDED[event.name],
        "error_code": data.get("error_code"),
        "error_detail": data.get("error_detail"),
        "metrics": data["usage"],
    }
    try:
        run: RunView = await user.ask(GetRun(session_id=session_id, run_id=UUID(data["run_id"])))
    except (Refusal, Unavailable):  # the session was deleted, say; the event alone has to do
        code = Code.RUN_CANCELLED if event.name == "session.run_cancelled" else told["error_code"]
        return told | {"error_code": code, "message_id": None, "content": None, "tool_calls": None}
    why = {"error_code": run.error_code, "error_detail": run.error_detail}
    return told | why | Answer.to(run).model_dump(mode="json")
