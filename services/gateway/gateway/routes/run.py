"""What goes on in a session: `/api/v1/sessions/{session_id}/runs`, interrupt, pause and resume."""

from typing import Annotated
from uuid import UUID

from contracts.refusals import Code
from contracts.session.run import CancelRun, GetRun, InterruptSession, ListRuns, PauseSession, ResumeSession
from fastapi import APIRouter, Query, Request, Response

from gateway.api_route import ApiRoute
from gateway.authentication import Caller
from gateway.problems import documented
from gateway.schemas.run import Metrics, Run, RunListed, RunPage, RunWindow
from gateway.schemas.session import Session
from gateway.session_ready import wait_until_ready

router = APIRouter(prefix="/api/v1/sessions/{session_id}", tags=["Sessions"], route_class=ApiRoute)


@router.get(
    "/runs",
    operation_id="listRuns",
    summary="List the runs of a session",
    response_model=RunPage,
    responses=documented(Code.SESSION_NOT_FOUND),
)
async def index(session_id: UUID, window: Annotated[RunWindow, Query()], caller: Caller, request: Request) -> Response:
    """Newest first; what an agent said and did in a run is shown with the run."""
    page = await caller.ask(ListRuns(session_id=session_id, **window.model_dump()))
    items = [RunListed.of(run, usage=Metrics.of(run.usage)) for run in page.items]
    return RunPage.over(page, items, window, request).response()


@router.get(
    "/runs/{run_id}",
    operation_id="getRun",
    summary="Show a run",
    response_model=Run,
    responses=documented(Code.SESSION_NOT_FOUND, Code.RUN_NOT_FOUND),
)
async def show(session_id: UUID, run_id: UUID, caller: Caller) -> Response:
    """What a query came to, or how far it is."""
    view = await caller.ask(GetRun(session_id=session_id, run_id=run_id))
    return Run.of(view, usage=Metrics.of(view.usage)).response()


@router.post(
    "/runs/{run_id}/cancel",
    operation_id="cancelRun",
    summary="Cancel a run",
    response_model=Run,
    responses=documented(Code.SESSION_NOT_FOUND, Code.RUN_NOT_FOUND, Code.RUN_OVER),
)
async def cancel(session_id: UUID, run_id: UUID, caller: Caller) -> Response:
    """Whether it waits or goes. What was said so far stays readable; the next run that waits follows."""
    run = await caller.ask(CancelRun(session_id=session_id, run_id=run_id))
    return Run.of(run, usage=Metrics.of(run.usage)).response()


@router.post(
    "/interrupt",
    operation_id="interruptSession",
    summary="Cancel the run that is going",
    response_model=Session,
    responses=documented(Code.SESSION_NOT_FOUND, Code.NOTHING_TO_INTERRUPT),
)
async def interrupt(session_id: UUID, caller: Caller) -> Response:
    """The next run that waits follows; pause the session first to keep it from that."""
    return Session.of(await caller.ask(InterruptSession(session_id=session_id))).response()


@router.post(
    "/pause",
    operation_id="pauseSession",
    summary="Let no further run begin",
    response_model=Session,
    responses=documented(Code.SESSION_NOT_FOUND, Code.SESSION_NOT_READY, Code.SESSION_ARCHIVED),
)
async def pause(session_id: UUID, caller: Caller) -> Response:
    """A run that is going ends as ever. Queries are refused, or wait when they say `on_busy: enqueue`."""
    return Session.of(await caller.ask(PauseSession(session_id=session_id))).response()


@router.post(
    "/resume",
    operation_id="resumeSession",
    summary="Let runs begin again; open an archived session",
    response_model=Session,
    responses=documented(
        Code.SESSION_NOT_FOUND, Code.SESSION_NOT_READY, Code.SESSION_ARCHIVED, Code.WORKSPACE_FULL, Code.STORAGE_FAILED
    ),
)
async def resume(session_id: UUID, caller: Caller, request: Request) -> Response:
    """Those that wait go first, in their order. An archived session is opened again.

    The answer then comes when its files are unpacked. The session is as it was before it was archived, and its archive
    is gone. When they cannot be unpacked, it stays archived, tells why in `error_code` and `error_detail`, and can be
    resumed again.
    """
    view = await caller.ask(ResumeSession(session_id=session_id))
    if not view.ready:
        view = await wait_until_ready(view, caller, request)
    return Session.of(view).response()
