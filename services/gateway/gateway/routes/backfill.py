"""Backfills of a task: `/api/v1/tasks/{task_id}/backfills`."""

from typing import Annotated
from uuid import UUID

from contracts.refusals import Code
from contracts.task_scheduler.backfill import CancelBackfill, GetBackfill, ListBackfills
from fastapi import APIRouter, Query, Request, Response

from gateway.clients.authentication import Caller
from gateway.problems import documented, headed
from gateway.routing.bodies import JsonRoute
from gateway.schemas.backfill import Backfill, BackfillPage, NewBackfill
from gateway.schemas.lists import Window

ONE_PROBLEMS = (Code.TASK_NOT_FOUND, Code.BACKFILL_NOT_FOUND)

router = APIRouter(prefix="/api/v1/tasks/{task_id}", tags=["Tasks"], route_class=JsonRoute)


@router.post(
    "/backfill",
    operation_id="startBackfill",
    summary="Start a backfill",
    status_code=202,
    response_model=Backfill,
    responses=headed(
        documented(
            Code.TASK_NOT_FOUND,
            Code.NO_SCHEDULE,
            Code.BACKFILL_RUNNING,
            Code.BACKFILL_PERIOD_INVALID,
            Code.BACKFILL_TOO_LARGE,
            Code.NOTHING_TO_BACKFILL,
        ),
        {202: ("Location",)},
    ),
)
async def start(task_id: UUID, body: NewBackfill, caller: Caller) -> Response:
    """Executes the task for the ticks of a period in the past, one after the other, and returns the backfill.

    Ticks that were completed before are left out unless `rerun` is true. An execution that fails does not stop the
    others. A task has one backfill at a time, with at most 500 ticks.
    """
    backfill = Backfill.of(await caller.ask(body.command(task_id)))
    return backfill.response(202, {"Location": f"/api/v1/tasks/{task_id}/backfills/{backfill.id}"})


@router.get(
    "/backfills",
    operation_id="listBackfills",
    summary="List backfills",
    response_model=BackfillPage,
    responses=documented(Code.TASK_NOT_FOUND),
)
async def index(task_id: UUID, window: Annotated[Window, Query()], caller: Caller, request: Request) -> Response:
    """Returns the backfills of the task, newest first."""
    page = await caller.ask(ListBackfills(task_id=task_id, **window.model_dump()))
    return BackfillPage.over(page, window, request).response()


@router.get(
    "/backfills/{backfill_id}",
    operation_id="getBackfill",
    summary="Get a backfill",
    response_model=Backfill,
    responses=documented(*ONE_PROBLEMS),
)
async def show(task_id: UUID, backfill_id: UUID, caller: Caller) -> Response:
    """Returns the backfill, with the number of its executions that have ended."""
    return Backfill.of(await caller.ask(GetBackfill(task_id=task_id, backfill_id=backfill_id))).response()


@router.post(
    "/backfills/{backfill_id}/cancel",
    operation_id="cancelBackfill",
    summary="Cancel a backfill",
    response_model=Backfill,
    responses=documented(*ONE_PROBLEMS, Code.BACKFILL_OVER),
)
async def cancel(task_id: UUID, backfill_id: UUID, caller: Caller) -> Response:
    """Cancels the backfill with its active execution, and returns it. Executions that have ended are kept."""
    return Backfill.of(await caller.ask(CancelBackfill(task_id=task_id, backfill_id=backfill_id))).response()
