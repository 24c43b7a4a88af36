"""Handlers of commands about executions."""

from uuid import UUID

from contracts.refusals import Code, Refusal, not_found
from contracts.task_scheduler.execution import (
    CancelExecution,
    CheckExecution,
    ExecuteTask,
    ExpireExecution,
    RetryExecution,
    StartOnEvent,
    TimeOutExecution,
)
from eventing.handling import Handlers

from task_scheduler.aggregate import Execution, Task
from task_scheduler.dependencies import Work
from task_scheduler.handlers.definition import check_prompt
from task_scheduler.handlers.task_executions import Origin, TaskExecutions, save_execution

handles = Handlers()


@handles
async def execute_task(command: ExecuteTask, work: Work) -> None:
    """Start an execution on request; a paused task is executed too."""
    definition = (await work.read_visible(Task, command.task_id)).definition
    variables = definition.variables | command.variables
    await check_prompt(definition, variables, None, work)
    executions = TaskExecutions(await work.load_owned(Task, command.task_id), work)
    executions.check_free()
    await executions.admit(executions.create(command.execution_id, "manual", variables))
    await executions.save()


@handles
async def retry_execution(command: RetryExecution, work: Work) -> None:
    """Start an execution like one that has ended, with the present definition of the task."""
    definition = (await work.read_visible(Task, command.task_id)).definition
    earlier = await work.read_visible(Execution, command.retry_of)
    _check_task(earlier, command.task_id)
    if not earlier.is_over:
        raise Refusal(Code.EXECUTION_NOT_OVER, f"Execution {earlier.id} has not ended: it is {earlier.status}.")
    variables, tick = earlier.created.variables, earlier.created.scheduled_for
    await check_prompt(definition, variables, tick, work)
    executions = TaskExecutions(await work.load_owned(Task, command.task_id), work)
    executions.check_free()
    origin = Origin(retry_of=earlier.id, scheduled_for=tick, event=earlier.created.event)
    await executions.admit(executions.create(command.execution_id, "manual", variables, **origin))
    await executions.save()


@handles
async def cancel_execution(command: CancelExecution, work: Work) -> None:
    """Cancel an execution."""
    executions = TaskExecutions(await work.load_owned(Task, command.task_id), work)
    execution = await work.load_owned(Execution, command.execution_id)
    _check_task(execution, command.task_id)
    execution.cancel("requested")
    await executions.release(execution)
    await executions.save()


@handles
async def start_on_event(command: StartOnEvent, work: Work) -> None:
    """Start an execution because of an event. Records nothing if the task is paused, or it was started before."""
    executions = TaskExecutions(await work.load_owned(Task, command.task_id), work)
    task = executions.task
    if task.paused or await executions.exists(command.execution_id):
        return
    variables, origin = task.definition.variables | command.variables, Origin(event=command.event, chain=command.chain)
    execution = executions.create(command.execution_id, "event", variables, **origin)
    if failure := task.chain_failure(command.chain):
        execution.skip(failure)
    else:
        await executions.admit(execution)
    await executions.save()


@handles
async def time_out_execution(command: TimeOutExecution, work: Work) -> None:
    """End an execution that takes too long."""
    execution = await work.load_owned(Execution, command.execution_id)
    execution.time_out()
    await save_execution(execution, work)


@handles
async def expire_execution(command: ExpireExecution, work: Work) -> None:
    """End an execution that could not start in time."""
    execution = await work.load_owned(Execution, command.execution_id)
    execution.expire()
    await save_execution(execution, work)


@handles
async def check_execution(command: CheckExecution, work: Work) -> None:
    """Request a check of an execution's run."""
    async with work.change(Execution, command.execution_id) as execution:
        execution.request_check(work.now)


def _check_task(execution: Execution, task_id: UUID) -> None:
    if execution.task_id != task_id:
        raise not_found(Code.EXECUTION_NOT_FOUND, execution.id)
