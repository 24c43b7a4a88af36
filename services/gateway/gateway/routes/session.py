"""Sessions: `/api/v1/sessions`."""

from typing import Annotated
from uuid import UUID

from contracts.refusals import Code
from contracts.session.session import DeleteSession, GetSession, ListSessions
from fastapi import APIRouter, Query, Request, Response

from gateway.clients.authentication import Caller
from gateway.problems import EdgeCode, Problem, documented, headed
from gateway.routing.bodies import JsonRoute
from gateway.routing.prefer import EVENTS, PREFER, preferred, prefers_events
from gateway.schemas.run import Answer, Metrics, NewQuery, Run
from gateway.schemas.session import NewSession, Session, SessionChange, SessionPage, SessionWindow
from gateway.schemas.stream import Legacy
from gateway.server_files.references import check_servers
from gateway.state import gateway_of
from gateway.streams.query_stream import RunEvents
from gateway.waiting.runs import check_completed

RUN_EVENTS = 'event: result\ndata: {"session_id":"...",...}\n\n'
OPTION_PROBLEMS = (
    *(Code.ADMINS_ONLY, Code.MODEL_NOT_ALLOWED, Code.OPTION_NOT_ALLOWED),
    *(EdgeCode.UNKNOWN_MCP_SERVER, Code.VARIABLE_NOT_SET),
)

QUERY_RESPONSES = headed(
    {
        200: {"content": {EVENTS: {"schema": {"type": "string"}, "example": RUN_EVENTS}}},
        202: {
            "model": Run,
            "description": "With `Prefer: respond-async`: the run was started or queued; `Location` is its path",
        },
    }
    | documented(
        Code.SESSION_NOT_FOUND,
        Code.SESSION_BUSY,
        Code.SESSION_NOT_READY,
        Code.SESSION_ARCHIVED,
        Code.SESSION_PAUSED,
        Code.QUEUE_FULL,
        Code.WORKSPACE_FULL,
        Code.STORAGE_FAILED,
        Code.MODEL_ERROR,
        Code.OUTPUT_NOT_VALID,
        Code.AGENT_FAILED,
        Code.AGENT_OUT_OF_MEMORY,
        Code.BUDGET_EXCEEDED,
        Code.MAX_TURNS_REACHED,
        Code.RUN_CANCELLED,
        Code.RUN_INTERRUPTED,
        Code.RUN_TIMEOUT,
        Code.RUN_TOO_LARGE,
        Code.CONVERSATION_FULL,
        EdgeCode.ANSWER_NOT_READY,
        EdgeCode.NOT_RESUMABLE,
        EdgeCode.TOO_MANY_STREAMS,
        quotas=("concurrent_runs", "budget_per_month_usd"),
    ),
    {
        200: ("Location", "Cache-Control"),
        202: ("Location", "Preference-Applied"),
        **dict.fromkeys((409, 500, 502, 503, 504), ("Location",)),  # if there is a run
    },
)

router = APIRouter(prefix="/api/v1/sessions", tags=["Sessions"], route_class=JsonRoute)


@router.post(
    "",
    operation_id="createSession",
    summary="Create a session",
    status_code=201,
    response_model=Session,
    responses=headed(
        documented(*OPTION_PROBLEMS, Code.TEMPLATE_NOT_FOUND, quotas=("sessions_per_month",)), {201: ("Location",)}
    ),
)
async def create(body: NewSession, caller: Caller) -> Response:
    """Creates a session with its own workspace and conversation. The agent starts with the first query.

    With `template_id`, the template's options and mode apply where the request sets none. Over the quota of sessions
    a month, the response is 429 `QUOTA_EXCEEDED`.
    """
    await check_servers(body.sdk_options, caller)
    session = Session.of(await caller.ask(body.command()))
    return session.response(201, {"Location": f"/api/v1/sessions/{session.id}"})


@router.get(
    "",
    operation_id="listSessions",
    summary="List sessions",
    response_model=SessionPage,
    responses=documented(Code.SESSION_NOT_FOUND),
)
async def index(window: Annotated[SessionWindow, Query()], caller: Caller, request: Request) -> Response:
    """Returns the caller's sessions, newest first, without options and metadata. Administrators see all sessions."""
    page = await caller.ask(ListSessions(**window.model_dump()))
    return SessionPage.over(page, window, request).response()


@router.get(
    "/{session_id}",
    operation_id="getSession",
    summary="Get a session",
    response_model=Session,
    responses=documented(Code.SESSION_NOT_FOUND),
)
async def show(session_id: UUID, caller: Caller) -> Response:
    """Returns the session with its options and its usage so far."""
    return Session.of(await caller.ask(GetSession(session_id=session_id))).response()


@router.patch(
    "/{session_id}",
    operation_id="changeSession",
    summary="Update a session",
    response_model=Session,
    responses=documented(*OPTION_PROBLEMS, Code.SESSION_NOT_FOUND),
)
async def change(session_id: UUID, body: SessionChange, caller: Caller) -> Response:
    """Updates the fields that are sent, and returns the session.

    Options left out of `sdk_options` keep their value, and null resets an option to its default; `metadata` is replaced
    as a whole. An active run keeps its options; the next run uses the new ones.
    """
    await check_servers(body.sdk_options, caller)
    return Session.of(await caller.ask(body.command(session_id))).response()


@router.delete(
    "/{session_id}",
    operation_id="deleteSession",
    summary="Delete a session",
    status_code=204,
    responses=documented(Code.SESSION_NOT_FOUND),
)
async def delete(session_id: UUID, caller: Caller) -> Response:
    """Stops the agent if it is running, then deletes the session."""
    await caller.ask(DeleteSession(session_id=session_id))
    return Response(status_code=204)


@router.post(
    "/{session_id}/query",
    operation_id="querySession",
    summary="Query the agent",
    openapi_extra={"parameters": [PREFER]},
    response_model=Answer,
    responses=QUERY_RESPONSES,
)
async def query(session_id: UUID, body: NewQuery, caller: Caller, request: Request, legacy: Legacy = False) -> Response:
    """Starts a run, and returns its answer when the run has ended.

    With `Prefer: respond-async`, the response is 202 at once, with the run as it is now. With
    `Accept: text/event-stream`, the response is a stream of the events of the run; the last one is `result`, with the
    answer. An interrupted stream is resumed at `/events`: here, `Last-Event-ID` gets 409 `NOT_RESUMABLE`, as the query
    would start another run.

    The run continues if the client disconnects, and can be read at `/runs/{run_id}`; a response to a run that has
    failed has this path in `Location`.

    Over the quota of concurrent runs, the run is `queued` until another one of the user ends. If too many sessions
    wait like that, the response is 429 `QUOTA_EXCEEDED`; over the budget of the month, it is 409 `QUOTA_EXCEEDED`.
    """
    if request.headers.get("last-event-id"):
        path = f"/api/v1/sessions/{session_id}/events"
        detail = f"No run was started. To resume after this event, send `Last-Event-ID` to GET {path}."
        raise Problem(EdgeCode.NOT_RESUMABLE, detail)
    gateway, command = gateway_of(request), body.command(session_id)
    if prefers_events(request):
        return RunEvents(gateway.streams, gateway.runs, caller, command, request.url.path, legacy=legacy)
    if preferred(request, "respond-async"):
        run = await gateway.runs.start(command, caller)
        headers = {"Location": f"/api/v1/sessions/{session_id}/runs/{run.id}", "Preference-Applied": "respond-async"}
        return Run.of(run, usage=Metrics.of(run.usage)).response(202, headers)
    run = await gateway.runs.outcome(command, caller, gateway.disconnected(request))
    check_completed(run)
    return Answer.to(run).response()
