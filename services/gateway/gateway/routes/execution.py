"""Executions of a task: `/api/v1/tasks/{task_id}/executions`, and starting one."""

from typing import Annotated
from uuid import UUID

from contracts.refusals import Code
from contracts.task_scheduler.execution import CancelExecution, GetExecution, ListExecutions, RetryExecution
from fastapi import APIRouter, Query, Request, Response

from gateway import ids
from gateway.clients.authentication import Caller
from gateway.problems import documented, headed
from gateway.routes.task import RENDER_PROBLEMS
from gateway.routing.bodies import JsonRoute
from gateway.schemas.execution import (
    NO_VARIABLES,
    Execution,
    ExecutionListed,
    ExecutionPage,
    ExecutionWindow,
    NewExecution,
    StartedExecution,
)

ONE_PROBLEMS = (Code.TASK_NOT_FOUND, Code.EXECUTION_NOT_FOUND)

router = APIRouter(prefix="/api/v1/tasks/{task_id}", tags=["Tasks"], route_class=JsonRoute)


@router.post(
    "/execute",
    operation_id="executeTask",
    summary="Execute a task",
    response_model=StartedExecution,
    responses=headed(documented(*RENDER_PROBLEMS, Code.TASK_NOT_FOUND, Code.TASK_BUSY), {200: ("Location",)}),
)
async def execute(task_id: UUID, caller: Caller, body: NewExecution = NO_VARIABLES) -> Response:
    """Starts an execution now, also if the task is paused, and returns without waiting for its end.

    If another execution is active, `overlap_policy` decides: the execution starts, waits as `pending`, or is refused
    with 409 `TASK_BUSY`. The session exists a moment after the response.
    """
    return _started(StartedExecution.from_view(await caller.ask(body.command(task_id))), task_id)


@router.get(
    "/executions",
    operation_id="listExecutions",
    summary="List executions",
    response_model=ExecutionPage,
    responses=documented(*ONE_PROBLEMS),
)
async def index(
    task_id: UUID, window: Annotated[ExecutionWindow, Query()], caller: Caller, request: Request
) -> Response:
    """Returns the executions of the task, newest first, without their variables and prompts."""
    page = await caller.ask(ListExecutions(task_id=task_id, **window.model_dump()))
    return ExecutionPage.over(page, window, request, list(map(ExecutionListed.from_view, page.items))).response()


@router.get(
    "/executions/{execution_id}",
    operation_id="getExecution",
    summary="Get an execution",
    response_model=Execution,
    responses=documented(*ONE_PROBLEMS),
)
async def show(task_id: UUID, execution_id: UUID, caller: Caller) -> Response:
    """Returns the execution with its variables, its prompt, and the session and run of its last attempt."""
    view = await caller.ask(GetExecution(task_id=task_id, execution_id=execution_id))
    return Execution.from_view(view).response()


@router.post(
    "/executions/{execution_id}/cancel",
    operation_id="cancelExecution",
    summary="Cancel an execution",
    response_model=Execution,
    responses=documented(*ONE_PROBLEMS, Code.EXECUTION_OVER),
)
async def cancel(task_id: UUID, execution_id: UUID, caller: Caller) -> Response:
    """Cancels an execution that waits or runs, with its run, and returns it. Its session remains."""
    view = await caller.ask(CancelExecution(task_id=task_id, execution_id=execution_id))
    return Execution.from_view(view).response()


@router.post(
    "/executions/{execution_id}/retry",
    operation_id="retryExecution",
    summary="Retry an execution",
    response_model=StartedExecution,
    responses=headed(
        documented(*ONE_PROBLEMS, *RENDER_PROBLEMS, Code.EXECUTION_NOT_OVER, Code.TASK_BUSY), {200: ("Location",)}
    ),
)
async def retry(task_id: UUID, execution_id: UUID, caller: Caller) -> Response:
    """Starts a new execution with the variables and the tick of one that has ended; `retry_of` refers to that one."""
    command = RetryExecution(task_id=task_id, execution_id=ids.new_id(), retry_of=execution_id)
    return _started(StartedExecution.from_view(await caller.ask(command)), task_id)


def _started(execution: StartedExecution, task_id: UUID) -> Response:
    return execution.response(headers={"Location": f"/api/v1/tasks/{task_id}/executions/{execution.execution_id}"})
