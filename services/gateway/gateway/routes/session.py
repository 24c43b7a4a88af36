"""Sessions: `/api/v1/sessions`."""

from typing import Annotated, Any
from uuid import UUID

from contracts.refusals import Code
from contracts.session.session import DeleteSession, GetSession, ListSessions
from fastapi import APIRouter, Query, Request, Response

from gateway.authentication import Caller
from gateway.bodies import JsonRoute
from gateway.prefer import EVENTS, preferred, prefers_events
from gateway.problems import EdgeCode, Problem, documented, headed
from gateway.schemas.run import Answer, Metrics, NewQuery, Run
from gateway.schemas.session import NewSession, Session, SessionChange, SessionListed, SessionPage, SessionWindow
from gateway.state import gateway_of
from gateway.streams.query_stream import RunEvents

RUN_EVENTS = 'event: result\ndata: {"session_id":"...",...}\n\n'
PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "description": "`respond-async`: do not wait for the answer.",
    "schema": {"type": "string", "examples": ["respond-async"]},
}
OPTIONS = (Code.ADMINS_ONLY, Code.MODEL_NOT_ALLOWED, Code.MCP_SERVER_NOT_FOUND, Code.VARIABLE_NOT_SET)

QUERY_RESPONSES = headed(
    {
        200: {"content": {EVENTS: {"schema": {"type": "string"}, "example": RUN_EVENTS}}},
        202: {"model": Run, "description": "With `Prefer: respond-async`: accepted, `Location` shows the run"},
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
    ),
    {
        200: ("Location", "Cache-Control"),
        202: ("Location", "Preference-Applied"),
        503: ("Location",),
        504: ("Location",),
    },
)

router = APIRouter(prefix="/api/v1/sessions", tags=["Sessions"], route_class=JsonRoute)


@router.post(
    "",
    operation_id="createSession",
    summary="Open a session",
    status_code=201,
    response_model=Session,
    responses=headed(documented(*OPTIONS, Code.TEMPLATE_NOT_FOUND), {201: ("Location",)}),
)
async def create(body: NewSession, caller: Caller) -> Response:
    """A session has a workspace and a conversation of its own. Nothing runs before the first query."""
    session = Session.of(await caller.ask(body.command()))
    return session.response(201, {"Location": f"/api/v1/sessions/{session.id}"})


@router.get(
    "",
    operation_id="listSessions",
    summary="List sessions",
    response_model=SessionPage,
)
async def index(window: Annotated[SessionWindow, Query()], caller: Caller, request: Request) -> Response:
    """Newest first, without their options; an admin sees those of all users."""
    page = await caller.ask(ListSessions(**window.model_dump()))
    return SessionPage.over(page, [SessionListed.of(view) for view in page.items], window, request).response()


@router.get(
    "/{session_id}",
    operation_id="getSession",
    summary="Show a session",
    response_model=Session,
    responses=documented(Code.SESSION_NOT_FOUND),
)
async def show(session_id: UUID, caller: Caller) -> Response:
    """With what it has used so far."""
    return Session.of(await caller.ask(GetSession(session_id=session_id))).response()


@router.patch(
    "/{session_id}",
    operation_id="changeSession",
    summary="Change a session",
    response_model=Session,
    responses=documented(*OPTIONS, Code.SESSION_NOT_FOUND),
)
async def change(session_id: UUID, body: SessionChange, caller: Caller) -> Response:
    """What is left out stays, of the options too, where null means the default; `metadata` is replaced whole.

    A run that is going keeps its options; the next one takes the new ones.
    """
    return Session.of(await caller.ask(body.command(session_id))).response()


@router.delete(
    "/{session_id}",
    operation_id="deleteSession",
    summary="End and remove a session",
    status_code=204,
    responses=documented(Code.SESSION_NOT_FOUND),
)
async def delete(session_id: UUID, caller: Caller) -> Response:
    """A running agent is ended first."""
    await caller.ask(DeleteSession(session_id=session_id))
    return Response(status_code=204)


@router.post(
    "/{session_id}/query",
    operation_id="querySession",
    summary="Ask the agent, and wait for its answer",
    openapi_extra={"parameters": [PREFER]},
    response_model=Answer,
    responses=QUERY_RESPONSES,
)
async def query(session_id: UUID, body: NewQuery, caller: Caller, request: Request) -> Response:
    """The run belongs to the server: it goes on when the client leaves, and can be read at `runs/{run_id}`.

    With `Accept: text/event-stream` the answer is the run as events, a `result` last; with `Prefer: respond-async` it
    is 202 and the run as it is now. Events that broke off are resumed at `/events`: this asks anew, and so refuses a
    `Last-Event-ID`.
    """
    if request.headers.get("last-event-id"):
        detail = f"Nothing was asked. To go on behind this event, GET /api/v1/sessions/{session_id}/events with it."
        raise Problem(EdgeCode.NOT_RESUMABLE, detail)
    if prefers_events(request):
        gateway, command = gateway_of(request), body.command(session_id)
        return RunEvents(gateway.streams, gateway.runs, caller, command, request.url.path)
    if preferred(request, "respond-async"):
        run = await gateway_of(request).runs.start(body.command(session_id), caller)
        told = {"Location": f"/api/v1/sessions/{session_id}/runs/{run.id}", "Preference-Applied": "respond-async"}
        return Run.of(run, usage=Metrics.of(run.usage)).response(202, told)
    run = await gateway_of(request).runs.outcome(body.command(session_id), caller, request.is_disconnected)
    if run.status != "completed":
        code = run.error_code or Code.RUN_CANCELLED
        raise Problem(code, run.error_detail or "The run was ended.", run_id=str(run.id))
    return Answer.to(run).response()
