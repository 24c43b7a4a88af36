"""Tasks: `/api/v1/tasks`."""

from typing import Annotated
from uuid import UUID

from contracts.refusals import Code
from contracts.task_scheduler.task import (
    DeleteTask,
    GetTask,
    ListNextRuns,
    ListTasks,
    PauseTask,
    RenderPrompt,
    ResumeTask,
)
from fastapi import APIRouter, Query, Request, Response

from gateway.clients.authentication import Caller
from gateway.problems import documented, headed
from gateway.routes.session import OPTION_PROBLEMS
from gateway.routing.bodies import JsonRoute
from gateway.schemas.execution import NO_VARIABLES, NewExecution
from gateway.schemas.task import NewTask, Prompt, Task, TaskChange, TaskPage, TaskWindow, UpcomingRuns
from gateway.server_files.references import check_servers

RENDER_PROBLEMS = (Code.VARIABLES_MISSING, Code.TEMPLATE_INVALID, Code.TEMPLATE_TOO_EXPENSIVE)
DEFINITION_PROBLEMS = (
    *(*OPTION_PROBLEMS, Code.TEMPLATE_NOT_FOUND, Code.TEMPLATE_INVALID, Code.TEMPLATE_TOO_EXPENSIVE),
    *(Code.INVALID_SCHEDULE, Code.INVALID_TIMEZONE, Code.INVALID_EVENT_NAME),
)

router = APIRouter(prefix="/api/v1/tasks", tags=["Tasks"], route_class=JsonRoute)


@router.post(
    "",
    operation_id="createTask",
    summary="Create a task",
    status_code=201,
    response_model=Task,
    responses=headed(documented(*DEFINITION_PROBLEMS, Code.TOO_MANY_TASKS), {201: ("Location",)}),
)
async def create(body: NewTask, caller: Caller) -> Response:
    """Creates a task: a prompt and when to run it. Each execution has a session of its own.

    Options and the template of sessions are checked now, and again at each execution, which acts as the owner of the
    task with the role of that moment.
    """
    await caller.ask(body.check())
    await check_servers(body.sdk_options, caller)
    task = Task.of(await caller.ask(body.command()))
    return task.response(201, {"Location": f"/api/v1/tasks/{task.id}"})


@router.get(
    "",
    operation_id="listTasks",
    summary="List tasks",
    response_model=TaskPage,
    responses=documented(Code.TASK_NOT_FOUND),
)
async def index(window: Annotated[TaskWindow, Query()], caller: Caller, request: Request) -> Response:
    """Returns the caller's tasks, newest first, without prompts, variables and options. Administrators see all."""
    page = await caller.ask(ListTasks(**window.model_dump()))
    return TaskPage.over(page, window, request).response()


@router.get(
    "/{task_id}",
    operation_id="getTask",
    summary="Get a task",
    response_model=Task,
    responses=documented(Code.TASK_NOT_FOUND),
)
async def show(task_id: UUID, caller: Caller) -> Response:
    """Returns the task, with the times of its next and its last execution."""
    return Task.of(await caller.ask(GetTask(task_id=task_id))).response()


@router.patch(
    "/{task_id}",
    operation_id="changeTask",
    summary="Update a task",
    response_model=Task,
    responses=documented(*DEFINITION_PROBLEMS, Code.TASK_NOT_FOUND),
)
async def change(task_id: UUID, body: TaskChange, caller: Caller) -> Response:
    """Updates the fields that are sent, and returns the task.

    Options left out of `sdk_options` keep their value; `variables` and `on` are replaced as a whole. Executions that
    run are not changed. A changed schedule continues with its next tick after now.
    """
    if check := body.check():
        await caller.ask(check)
    await check_servers(body.sdk_options, caller)
    return Task.of(await caller.ask(body.command(task_id))).response()


@router.delete(
    "/{task_id}",
    operation_id="deleteTask",
    summary="Delete a task",
    status_code=204,
    responses=documented(Code.TASK_NOT_FOUND),
)
async def delete(task_id: UUID, caller: Caller) -> Response:
    """Cancels the executions of the task, then deletes it with its history. Sessions that it created remain."""
    await caller.ask(DeleteTask(task_id=task_id))
    return Response(status_code=204)


@router.post(
    "/{task_id}/pause",
    operation_id="pauseTask",
    summary="Pause a task",
    response_model=Task,
    responses=documented(Code.TASK_NOT_FOUND),
)
async def pause(task_id: UUID, caller: Caller) -> Response:
    """Keeps the schedule, triggers and events from starting the task, and returns it.

    Executions that run or wait continue, and the task can still be executed by hand.
    """
    return Task.of(await caller.ask(PauseTask(task_id=task_id))).response()


@router.post(
    "/{task_id}/resume",
    operation_id="resumeTask",
    summary="Resume a task",
    response_model=Task,
    responses=documented(Code.TASK_NOT_FOUND),
)
async def resume(task_id: UUID, caller: Caller) -> Response:
    """Lets the task start again, and returns it. Ticks of the time in between are not made up for; see backfills."""
    return Task.of(await caller.ask(ResumeTask(task_id=task_id))).response()


@router.post(
    "/{task_id}/render",
    operation_id="renderPrompt",
    summary="Render the prompt",
    response_model=Prompt,
    responses=documented(*RENDER_PROBLEMS, Code.TASK_NOT_FOUND),
)
async def render(task_id: UUID, caller: Caller, body: NewExecution = NO_VARIABLES) -> Response:
    """Returns the prompt that an execution with these variables would send. Nothing is executed."""
    return Prompt.of(await caller.ask(RenderPrompt(task_id=task_id, variables=body.variables))).response()


@router.get(
    "/{task_id}/next-runs",
    operation_id="listNextRuns",
    summary="List the next runs",
    response_model=UpcomingRuns,
    responses=documented(Code.TASK_NOT_FOUND),
)
async def next_runs(
    task_id: UUID,
    caller: Caller,
    count: Annotated[int, Query(ge=1, le=100, description="Number of times to return.", examples=[10])] = 10,
) -> Response:
    """Returns the next times at which the schedule starts the task, without jitter; none while it is paused."""
    return UpcomingRuns.of(await caller.ask(ListNextRuns(task_id=task_id, count=count))).response()
