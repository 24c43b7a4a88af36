"""Runs of a session: `/api/v1/sessions/{session_id}/runs`; interrupting, pausing and resuming the session."""

from typing import Annotated
from uuid import UUID

from contracts.refusals import Code
from contracts.session.run import CancelRun, GetRun, InterruptSession, ListRuns
from contracts.session.session import PauseSession, ResumeSession
from fastapi import APIRouter, Query, Request, Response

from gateway.clients.authentication import Caller
from gateway.problems import documented
from gateway.routing.bodies import JsonRoute
from gateway.schemas.run import Metrics, Run, RunListed, RunPage, RunWindow
from gateway.schemas.session import Session
from gateway.state import gateway_of
from gateway.waiting.sessions import wait_until_ready

router = APIRouter(prefix="/api/v1/sessions/{session_id}", tags=["Sessions"], route_class=JsonRoute)


@router.get(
    "/runs",
    operation_id="listRuns",
    summary="List runs",
    response_model=RunPage,
    responses=documented(Code.SESSION_NOT_FOUND, Code.RUN_NOT_FOUND),
)
async def index(session_id: UUID, window: Annotated[RunWindow, Query()], caller: Caller, request: Request) -> Response:
    """Returns the runs of the session, newest first, without their answers and tool calls."""
    page = await caller.ask(ListRuns(session_id=session_id, **window.model_dump()))
    items = [RunListed.of(run, usage=Metrics.of(run.usage)) for run in page.items]
    return RunPage.over(page, window, request, items).response()


@router.get(
    "/runs/{run_id}",
    operation_id="getRun",
    summary="Get a run",
    response_model=Run,
    responses=documented(Code.SESSION_NOT_FOUND, Code.RUN_NOT_FOUND),
)
async def show(session_id: UUID, run_id: UUID, caller: Caller) -> Response:
    """Returns the status of the run and its result, as far as there is one."""
    run = await caller.ask(GetRun(session_id=session_id, run_id=run_id))
    return Run.of(run, usage=Metrics.of(run.usage)).response()


@router.post(
    "/runs/{run_id}/cancel",
    operation_id="cancelRun",
    summary="Cancel a run",
    response_model=Run,
    responses=documented(Code.SESSION_NOT_FOUND, Code.RUN_NOT_FOUND, Code.RUN_OVER),
)
async def cancel(session_id: UUID, run_id: UUID, caller: Caller) -> Response:
    """Cancels a queued or an active run, and returns it.

    Messages recorded so far are kept, and the next queued run starts.
    """
    run = await caller.ask(CancelRun(session_id=session_id, run_id=run_id))
    return Run.of(run, usage=Metrics.of(run.usage)).response()


@router.post(
    "/interrupt",
    operation_id="interruptSession",
    summary="Interrupt a session",
    response_model=Session,
    responses=documented(Code.SESSION_NOT_FOUND, Code.NOTHING_TO_INTERRUPT),
)
async def interrupt(session_id: UUID, caller: Caller) -> Response:
    """Cancels the active run, and returns the session.

    The next queued run starts; pause the session first to prevent that.
    """
    return Session.of(await caller.ask(InterruptSession(session_id=session_id))).response()


@router.post(
    "/pause",
    operation_id="pauseSession",
    summary="Pause a session",
    response_model=Session,
    responses=documented(Code.SESSION_NOT_FOUND, Code.SESSION_NOT_READY, Code.SESSION_ARCHIVED),
)
async def pause(session_id: UUID, caller: Caller) -> Response:
    """Keeps further runs from starting, and returns the session. An active run ends normally.

    Queries get 409 `SESSION_PAUSED`, or are queued if they set `on_busy` to `enqueue`.
    """
    return Session.of(await caller.ask(PauseSession(session_id=session_id))).response()


@router.post(
    "/resume",
    operation_id="resumeSession",
    summary="Resume or unarchive a session",
    response_model=Session,
    responses=documented(
        *(Code.SESSION_NOT_FOUND, Code.SESSION_NOT_READY, Code.SESSION_ARCHIVED),
        *(Code.WORKSPACE_FULL, Code.STORAGE_FAILED),
        quotas=("storage_bytes",),
    ),
)
async def resume(session_id: UUID, caller: Caller, request: Request) -> Response:
    """Lets runs start again, queued runs first and in their order, and returns the session.

    The files of an archived session are unpacked first, and the response is sent when they are. The session is then as
    it was before it was archived, and its archive is deleted. If the files cannot be unpacked, the session stays
    archived, its `error_code` and `error_detail` say why, and it can be resumed again.
    """
    session = await caller.ask(ResumeSession(session_id=session_id))
    if not session.ready:
        gateway = gateway_of(request)
        session = await wait_until_ready(session, caller, gateway.waits, gateway.disconnected(request))
    return Session.of(session).response()
