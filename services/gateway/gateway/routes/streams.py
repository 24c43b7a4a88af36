"""What happens, as it does: server-sent events, and a WebSocket a session."""

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from contracts.catalogue import SERVICES
from contracts.refusals import Code
from contracts.session.session import GetSession
from fastapi import APIRouter, Header, Query, Request, Response, WebSocket

from gateway.api_route import ApiRoute
from gateway.authentication import Caller, user_of
from gateway.prefer import takes_events
from gateway.problems import EdgeCode, Problem, documented, headed
from gateway.state import gateway_of
from gateway.streams.events import EventStream, followed
from gateway.streams.listener import Listener
from gateway.streams.socket import converse

OPENING = (EdgeCode.NOT_ACCEPTABLE, EdgeCode.TOO_MANY_STREAMS)
EXAMPLE = 'id: 345\nevent: session.run_completed\ndata: {"type":"session.run_completed",...}\n\n'
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events, until one side ends it.", "content": {"text/event-stream": {"example": EXAMPLE}}}
}

After = Annotated[
    str | None, Query(description="The id of the last event seen; 0 for all that is there.", examples=["345"])
]
Types = Annotated[
    str | None, Query(description="Names, with `*` for any letters, separated by commas.", examples=["session.run_*"])
]
LastEventId = Annotated[str | None, Header(description="As `after`; wins over it.", examples=["345"])]

router = APIRouter(prefix="/api/v1", tags=["Streams"], route_class=ApiRoute)


@router.get(
    "/sessions/{session_id}/events",
    operation_id="streamSession",
    summary="Follow a session",
    response_class=Response,
    responses=headed(EVENTS | documented(*OPENING, Code.SESSION_NOT_FOUND), {200: ("Cache-Control",)}),
)
async def session_events(
    session_id: UUID,
    caller: Caller,
    request: Request,
    after: After = None,
    types: Types = None,
    last_event_id: LastEventId = None,
) -> Response:
    """Every event of the session with its number as id, and `text_delta` without one; from now on, or `after` an id.

    The last event of a session that is deleted is `session.deleted`, with `status` `terminated`, whatever `types` says.
    """
    _check_accepted(request)
    listener = Listener.of_session(caller.token, session_id, types)
    there = partial(caller.ask, GetSession(session_id=session_id))
    return EventStream(listener, followed(gateway_of(request).streams, listener, last_event_id or after, there))


@router.get(
    "/events",
    operation_id="streamEvents",
    summary="Follow all that is yours",
    response_class=Response,
    responses=headed(EVENTS | documented(*OPENING), {200: ("Cache-Control",)}),
)
async def events(
    caller: Caller,
    request: Request,
    after: After = None,
    types: Types = None,
    last_event_id: LastEventId = None,
) -> Response:
    """The events of the caller's account and all their resources; `types=*` adds the `text_delta` of all sessions."""
    _check_accepted(request)
    listener = Listener.of_user(caller.token, SERVICES, types)
    return EventStream(listener, followed(gateway_of(request).streams, listener, last_event_id or after))


def _check_accepted(request: Request) -> None:
    if not takes_events(request):
        raise Problem(EdgeCode.NOT_ACCEPTABLE, "This is text/event-stream, which the header Accept leaves out.")


@router.websocket("/sessions/{session_id}/stream")
async def stream(socket: WebSocket, session_id: str) -> None:
    """The session in both directions; see docs/guides/streams.md."""
    gateway = gateway_of(socket)
    await converse(socket, session_id, user_of, gateway.streams, gateway.runs)
