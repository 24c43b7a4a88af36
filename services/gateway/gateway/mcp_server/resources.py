"""Resources: `session://{session_id}` and `report://{report_id}`."""

import re
from uuid import UUID

from contracts.report.report import ListReports
from contracts.report.values import MEDIA_TYPES
from contracts.session.conversation import ListMessages
from contracts.session.session import GetSession, ListSessions
from mcp_types import (
    ListResourcesResult,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from gateway.mcp_server.call import Call
from gateway.mcp_server.report import read_report
from gateway.problems import EdgeCode, Problem
from gateway.schemas.base import ResponseModel
from gateway.schemas.conversation import Message
from gateway.schemas.session import Session

JSON = "application/json"
MAX_LISTED = 100
"""The newest sessions and reports that are listed; older ones are read by their ids."""
MAX_MESSAGES = 20
REPORTS = "reports"
"""The cursor of the second page."""
_URI = re.compile(r"(session|report)://([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})")

TEMPLATES = [
    ResourceTemplate(
        name="session",
        uri_template="session://{session_id}",
        description=f"A session with its last {MAX_MESSAGES} messages.",
        mime_type=JSON,
    ),
    ResourceTemplate(
        name="report",
        uri_template="report://{report_id}",
        description="A report; its text follows if the format is markdown or json.",
    ),
]


class SessionWithMessages(ResponseModel):
    """A session with its last messages, oldest first."""

    session: Session
    messages: list[Message]


async def list_resources(cursor: str | None, call: Call) -> ListResourcesResult:
    """Return the newest sessions, or, with the cursor of the second page, the newest reports.

    Raises:
        Problem: the cursor is not valid.
    """
    match cursor:
        case None:
            sessions = await call.caller.ask(ListSessions(limit=MAX_LISTED))
            found = [
                Resource(uri=f"session://{each.id}", name=each.name, mime_type=JSON, description="A session.")
                for each in sessions.items
            ]
            return ListResourcesResult(resources=found, next_cursor=REPORTS)
        case "reports":
            reports = await call.caller.ask(ListReports(limit=MAX_LISTED))
            return ListResourcesResult(
                resources=[
                    Resource(
                        uri=f"report://{each.id}",
                        name=each.title,
                        mime_type=MEDIA_TYPES[each.format],
                        description="A report.",
                    )
                    for each in reports.items
                ]
            )
        case _:
            raise Problem(EdgeCode.VALIDATION_ERROR, "The cursor is not valid.")


async def read_resource(uri: str, call: Call) -> ReadResourceResult:
    """Return the contents of a resource.

    Raises:
        Problem: the URI is not one of a resource.
        Refusal: the resource does not exist for the caller.
    """
    found = _URI.fullmatch(uri)
    if not found:
        raise Problem(EdgeCode.NOT_FOUND, "No resource has this URI; use session://<id> or report://<id>.")
    id = UUID(found[2])
    read = _session if found[1] == "session" else _report
    return ReadResourceResult(contents=[*await read(id, uri, call)])


async def _session(id: UUID, uri: str, call: Call) -> list[TextResourceContents]:
    session = await call.caller.ask(GetSession(session_id=id))
    messages = await call.caller.ask(ListMessages(session_id=id, order="desc", limit=MAX_MESSAGES))
    content = SessionWithMessages.model_construct(
        None, session=Session.of(session), messages=[Message.of(each) for each in reversed(messages.items)]
    )
    return [TextResourceContents(uri=uri, mime_type=JSON, text=content.encoded().decode())]


async def _report(id: UUID, uri: str, call: Call) -> list[TextResourceContents]:
    report = await read_report(id, call)
    view = report.model_copy(update={"text": None})
    contents = [TextResourceContents(uri=uri, mime_type=JSON, text=view.encoded().decode())]
    if report.text is not None:
        contents.append(TextResourceContents(uri=uri, mime_type=MEDIA_TYPES[report.format], text=report.text))
    return contents
