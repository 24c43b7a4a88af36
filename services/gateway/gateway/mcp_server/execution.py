"""Tools for executions of tasks."""

from typing import Annotated
from uuid import UUID

from contracts.task_scheduler.execution import GetExecution
from pydantic import Field

from gateway.mcp_server.call import Call
from gateway.mcp_server.tool import READS, RUNS_AGENT, Tools
from gateway.schemas.base import RequestBody
from gateway.schemas.execution import Execution, NewExecution, StartedExecution

tools = Tools()


class TaskToRun(NewExecution):
    """Arguments of `run_task`."""

    task_id: Annotated[UUID, Field(description="Id of the task.")]


class ExecutionId(RequestBody):
    """Arguments of tools for one execution."""

    task_id: Annotated[UUID, Field(description="Id of the task.")]
    execution_id: Annotated[UUID, Field(description="Id of the execution.")]


@tools.add(RUNS_AGENT, nests=True)
async def run_task(arguments: TaskToRun, call: Call) -> StartedExecution:
    """Start an execution of a task now, and return without waiting for its end: follow it with `get_execution`."""
    return StartedExecution.from_view(await call.caller.ask(arguments.command(arguments.task_id, call.depth)))


@tools.add(READS)
async def get_execution(arguments: ExecutionId, call: Call) -> Execution:
    """Get an execution of a task: its status, its prompt, and the session and run of its last attempt."""
    return Execution.from_view(await call.caller.ask(GetExecution(**arguments.model_dump())))
