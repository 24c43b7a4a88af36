"""Handlers of commands about executions."""

from datetime import timedelta
from uuid import UUID

from contracts.messages import Failure
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

from task_scheduler.admission import Origin, TaskExecutions, save_execution
from task_scheduler.aggregate import Execution, Task
from task_scheduler.definition import check_prompt
from task_scheduler.dependencies import Work

EVENT_PERIOD = timedelta(hours=1)

handles = Handlers()


@handles
async def execute_task(command: ExecuteTask, work: Work) -> None:
    """Start an execution on request; a paused task is executed too."""
    definition = (await work.read_visible(Task, command.task_id)).definition
    variables = definition.variables | command.variables
    await check_prompt(definition, variables, None, work)
    executions = TaskExecutions(await work.load_owned(Task, command.task_id), work)
    executions.check_free()
    await executions.admit(executions.create(command.execution_id, "manual", variables, depth=command.depth))
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
    created = earlier.created
    origin = Origin(retry_of=earlier.id, scheduled_for=tick, event=created.event, depth=created.depth)
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
    if failure := task.chain_failure(command.chain) or await _event_limit_failure(task.user_id, work):
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


async def _event_limit_failure(user_id: UUID, work: Work) -> Failure | None:
    """Return why events may not start an execution of a user now; None if they may.

    A chain does not contain the sessions that agents create, so a loop over these ends here. Events that arrive at the
    same moment may exceed the limit by as many.
    """
    limit, since = work.dependencies.event_executions_per_hour, work.now - EVENT_PERIOD
    if await work.dependencies.executions.started_by_events(user_id, since, limit) < limit:
        return None
    detail = f"Events may start at most {limit} executions of a user within an hour."
    return Failure(error_code=Code.QUOTA_EXCEEDED, error_detail=detail)


def _check_task(execution: Execution, task_id: UUID) -> None:
    if execution.task_id != task_id:
        raise not_found(Code.EXECUTION_NOT_FOUND, execution.id)
