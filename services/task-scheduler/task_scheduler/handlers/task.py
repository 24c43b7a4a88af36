"""Handlers of commands about tasks as a whole, and their schedules."""

from contracts.task_scheduler.task import AdvanceSchedule, ChangeTask, CreateTask, DeleteTask, PauseTask, ResumeTask
from eventing.handling import Handlers

from task_scheduler.admission import TaskExecutions
from task_scheduler.aggregate import Task
from task_scheduler.aggregate.execution import tick_execution_id
from task_scheduler.definition import check_definition
from task_scheduler.dependencies import Work

handles = Handlers()


class ClockSetBack(Exception):
    """A due time was reached, but by the clock that the handler reads its tick is not due yet.

    The command has to be repeated: if it ended without a new due time, the schedule would stop.
    """


@handles
async def create_task(command: CreateTask, work: Work) -> None:
    """Create a task for the actor."""
    await check_definition(command.definition, work)
    task = Task(command.task_id)
    task.create(work.actor.user_id, command.definition, work.now)
    await work.save(task)


@handles
async def change_task(command: ChangeTask, work: Work) -> None:
    """Change a task. If its overlap policy allows more executions now, those that wait are started."""
    task = await work.read_visible(Task, command.task_id)
    await check_definition(command.changes.applied_to(task.definition), work)
    executions = TaskExecutions(await work.load_owned(Task, command.task_id), work)
    executions.task.change(command.changes.applied_to(executions.task.definition), work.now)
    await executions.start_waiting()
    await executions.save()


@handles
async def pause_task(command: PauseTask, work: Work) -> None:
    """Pause a task."""
    async with work.change(Task, command.task_id) as task:
        task.pause()


@handles
async def resume_task(command: ResumeTask, work: Work) -> None:
    """Resume a paused task."""
    async with work.change(Task, command.task_id) as task:
        task.resume(work.now)


@handles
async def delete_task(command: DeleteTask, work: Work) -> None:
    """Delete a task, and cancel its executions."""
    executions = TaskExecutions(await work.load_owned(Task, command.task_id), work)
    await executions.cancel(executions.task.unfinished, "task_deleted")
    executions.task.delete()
    await executions.save()


@handles
async def advance_schedule(command: AdvanceSchedule, work: Work) -> None:
    """Create an execution for each tick that is due.

    Raises:
        ClockSetBack: none is due yet; the command is repeated later.
    """
    executions = TaskExecutions(await work.load_owned(Task, command.task_id), work)
    task = executions.task
    ticks = task.advance_schedule(work.now)
    if not ticks and task.next_tick:
        raise ClockSetBack(f"the next tick of task {task.id} is {task.next_tick}")
    for due in ticks:
        id, variables = tick_execution_id(task.id, due.tick), task.definition.variables
        if due.known and await executions.exists(id):
            continue
        execution = executions.create(id, "scheduled", variables, scheduled_for=due.tick)
        if due.missed:
            execution.miss(due.missed)
        else:
            await executions.admit(execution)
    await executions.save()
