"""The messages of a WebSocket: those that carry an event have the same data as server-sent events, and more."""

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

STATUS_CHANGE, RESULT = "status_change", "result"
DECIDED = "session.approval_decided"
STATUS = {
    "session.created": "created",
    "session.run_queued": "queued",
    "session.run_started": "processing",
    "session.paused": "paused",
    "session.deleted": "terminated",
    "session.archive_requested": "archived",
    "session.fork_failed": "failed",
    "session.approval_requested": "waiting",
}
"""The status of the session, or of a queued run, after an event."""
ASKED = frozenset({"session.resumed", "session.archive_failed", "session.unarchived", DECIDED})
"""The events after which the status of the session has to be queried."""
ENDED = {
    "session.run_completed": "completed",
    "session.run_failed": "failed",
    "session.run_cancelled": "cancelled",
}
TYPES = {
    "session.run_requested": "message",
    "session.message_recorded": "message",
    "session.tool_call_started": "tool_call_started",
    "session.tool_call_ended": "tool_call_completed",
    "session.approval_requested": "approval_requested",
    **dict.fromkeys(ENDED, RESULT),
    **dict.fromkeys((STATUS.keys() | ASKED) - {"session.approval_requested", DECIDED}, STATUS_CHANGE),
}
"""The types of messages by event. All other events have their own names."""


def message_type(name: str) -> str:
    """Return the type of the message that carries an event of this name."""
    return TYPES.get(name, name)


async def message_of(event: PublishedEvent, session_id: UUID, user: User) -> tuple[str, dict[str, Any]]:
    """Return the type and the data of the message that carries an event: its payload, and what follows from it."""
    if event.name in ENDED:
        return RESULT, event.payload | await result_of(event, session_id, user)
    status = STATUS.get(event.name)
    if event.name in ASKED:
        status = await status_of(session_id, user)
    more = {"status": status} if event.name in STATUS or event.name in ASKED else {}
    return message_type(event.name), event.payload | more


async def status_of(session_id: UUID, user: User) -> str | None:
    """Return the current status of the session; None if it cannot be queried."""
    try:
        return (await user.ask(GetSession(session_id=session_id))).status
    except (Refusal, Unavailable):
        return None


async def result_of(event: PublishedEvent, session_id: UUID, user: User) -> dict[str, Any]:
    """Return the result of a run that has ended, as its query is answered, and how it has ended."""
    data = event.data
    result: dict[str, Any] = {
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
