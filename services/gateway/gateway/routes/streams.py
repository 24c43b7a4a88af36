"""Events as they occur: server-sent events, and a WebSocket per session."""

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from contracts.catalogue import SERVICES
from contracts.refusals import Code
from contracts.session.session import GetSession
from fastapi import APIRouter, Header, Query, Request, Response, WebSocket

from gateway.clients.auth.callers import User
from gateway.clients.authentication import Caller, user_of
from gateway.problems import EdgeCode, Problem, documented, headed
from gateway.routing.api_route import ApiRoute
from gateway.routing.prefer import EVENTS as EVENTS_TYPE
from gateway.routing.prefer import accepts_events, prefers
from gateway.schemas.stream import AllEventsSelection, EventPage, LegacySelection
from gateway.state import gateway_of
from gateway.streams.commands import Commands
from gateway.streams.cursor import Cursor
from gateway.streams.events import EventStream, followed
from gateway.streams.listener import Listener
from gateway.streams.pages import read_page
from gateway.streams.socket import converse

STREAM_PROBLEMS = (EdgeCode.NOT_ACCEPTABLE, EdgeCode.TOO_MANY_STREAMS)
EXAMPLE = 'id: 345\nevent: session.run_completed\ndata: {"type":"session.run_completed",...}\n\n'
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A stream of events, until the client or the server closes it",
        "content": {"text/event-stream": {"example": EXAMPLE}},
    }
}

LastEventId = Annotated[str | None, Header(description="Like `after`, which it overrides.", examples=["345"])]

Selection = Annotated[LegacySelection, Query()]

router = APIRouter(prefix="/api/v1", tags=["Streams"], route_class=ApiRoute)
admin_router = APIRouter(prefix="/api/v1/admin/events", tags=["Admin"], route_class=ApiRoute)


@router.get(
    "/sessions/{session_id}/events",
    operation_id="streamSession",
    summary="Stream the events of a session",
    response_class=Response,
    responses=headed(EVENTS | documented(*STREAM_PROBLEMS, Code.SESSION_NOT_FOUND), {200: ("Cache-Control",)}),
)
async def session_events(
    session_id: UUID, selection: Selection, caller: Caller, request: Request, last_event_id: LastEventId = None
) -> Response:
    """Sends every event of the session, from now on or from the one after `after`.

    The id of an event is an opaque cursor; `text_delta` events have none, and are not stored. When the session
    is deleted, the last event is `session.deleted` with the status `terminated`, whatever `types` selects.
    """
    _check_accepted(request)
    listener = Listener.of_session(caller.token, session_id, selection.types)
    listener.legacy = selection.legacy
    check = partial(caller.ask, GetSession(session_id=session_id))  # refused if the session does not exist
    return EventStream(
        listener, followed(gateway_of(request).streams, listener, last_event_id or selection.after, check)
    )


@router.get(
    "/events",
    operation_id="streamEvents",
    summary="Stream all events",
    response_class=Response,
    responses=headed(EVENTS | documented(*STREAM_PROBLEMS), {200: ("Cache-Control",)}),
)
async def events(selection: Selection, caller: Caller, request: Request, last_event_id: LastEventId = None) -> Response:
    """Sends the events of the caller's account and of all their resources, from now on or from the one after `after`.

    With `types=*`, the `text_delta` events of all sessions are included.
    """
    _check_accepted(request)
    listener = Listener.of_user(caller.token, SERVICES, selection.types)
    listener.legacy = selection.legacy
    return EventStream(listener, followed(gateway_of(request).streams, listener, last_event_id or selection.after))


@admin_router.get(
    "",
    operation_id="readAllEvents",
    summary="Read the events of all users",
    response_model=EventPage,
    responses=headed(EVENTS | documented(EdgeCode.TOO_MANY_STREAMS), {200: ("Cache-Control",)}),
)
async def all_events(
    selection: Annotated[AllEventsSelection, Query()],
    caller: Caller,
    request: Request,
    last_event_id: LastEventId = None,
) -> Response:
    """Returns a page of the stored events of all users or of one: from a time on, from the event after `after`, or all.

    The next page begins `after` the `resume_from` of this one. With `Accept: text/event-stream`, the response is a
    stream, which without `after` and `since` begins with the events that occur from now on.
    """
    streams, services = gateway_of(request).streams, SERVICES
    listener = Listener.of_all(caller.token, services, selection.types, selection.user_id)
    after = last_event_id or selection.after
    if after is None and selection.since:
        after = str(await streams.cursor_at(services, selection.since))
    if prefers(EVENTS_TYPE, request):
        return EventStream(listener, followed(streams, listener, after))
    async with streams.counted.one(caller.actor):
        listener.cursor = Cursor.parse(after or "0", services)
        page = await read_page(streams.replay, listener, selection.limit)
    items = [event.payload for event in page.events]
    shown = EventPage(items=items, resume_from=str(page.cursor), more=page.more, expired=page.expired)
    return shown.response(headers={"Cache-Control": "no-store"})


def _check_accepted(request: Request) -> None:
    if not accepts_events(request):
        raise Problem(EdgeCode.NOT_ACCEPTABLE, "The response is text/event-stream, which the `Accept` header excludes.")


@router.websocket("/sessions/{session_id}/stream")
async def stream(socket: WebSocket, session_id: str) -> None:
    """Exchange messages about a session with a client; see docs/guides/streams.md."""
    gateway = gateway_of(socket)
    report = partial(gateway.audit_reports.add, socket.scope)

    def commands(user: User, id: UUID) -> Commands:
        return Commands(user, id, gateway.runs, gateway.limiter, gateway.records, report)

    await converse(socket, session_id, user_of, gateway.streams, commands, report)
