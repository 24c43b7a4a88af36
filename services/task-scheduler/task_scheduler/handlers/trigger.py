"""Handlers of commands about triggers."""

from uuid import UUID, uuid5

from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from contracts.task_scheduler.execution import GetExecution
from contracts.task_scheduler.trigger import (
    CreateTrigger,
    FiredTrigger,
    FireTrigger,
    GetTrigger,
    NewTrigger,
    RevokeTrigger,
    RotateTrigger,
)
from eventing.handling import Handlers
from eventing.store import AggregateNotFound

from task_scheduler.admission import Origin, TaskExecutions
from task_scheduler.aggregate import Task
from task_scheduler.definition import check_prompt
from task_scheduler.dependencies import Work
from task_scheduler.webhook import is_authentic, new_secret, variables_of

handles = Handlers()


@handles
async def create_trigger(command: CreateTrigger, work: Work) -> NewTrigger:
    """Create a trigger with a new secret, which is returned only now."""
    secret = new_secret()
    async with work.change(Task, command.task_id) as task:
        task.create_trigger(command.trigger_id, command.name, secret)
    return await _with_secret(command.task_id, command.trigger_id, secret, work)


@handles
async def rotate_trigger(command: RotateTrigger, work: Work) -> NewTrigger:
    """Replace the secret of a trigger by a new one, which is returned only now."""
    secret = new_secret()
    async with work.change(Task, command.task_id) as task:
        task.rotate_trigger(command.trigger_id, secret, work.now)
    return await _with_secret(command.task_id, command.trigger_id, secret, work)


@handles
async def revoke_trigger(command: RevokeTrigger, work: Work) -> None:
    """Revoke a trigger."""
    async with work.change(Task, command.task_id) as task:
        task.revoke_trigger(command.trigger_id)


@handles
async def fire_trigger(command: FireTrigger, work: Work) -> FiredTrigger:
    """Start an execution for an authentic request; for one that is repeated, return the first execution."""
    task = await _authenticated(command, work)
    # The id derives from that of the request, so that no two executions are ever created for it.
    execution_id = uuid5(command.trigger_id, command.webhook_id)
    repeated = await TaskExecutions(task, work).exists(execution_id)
    if not repeated:
        await _start(execution_id, command, task, work)
    execution = await work.ask(GetExecution(task_id=command.task_id, execution_id=execution_id))
    return FiredTrigger(execution=execution, repeated=repeated)


async def _authenticated(command: FireTrigger, work: Work) -> Task:
    """Return a copy of the task of an authentic request, on behalf of whose owner the command continues.

    Raises:
        Refusal: INVALID_SIGNATURE, the same one for a task or a trigger that does not exist, after the same work, so
            that strangers cannot find out which ids exist.
    """
    task = await _find(command.task_id, work)
    secrets = task.valid_secrets(command.trigger_id, work.now) if task else (None, None)
    if not is_authentic(command, *secrets, work.now) or task is None:
        raise Refusal(Code.INVALID_SIGNATURE, "The request does not prove that it comes from a holder of the secret.")
    # A session is created only if the owner may still do so: that is checked when the execution runs.
    work.envelope = work.envelope.on_behalf_of(Actor(user_id=task.owner, role="user"))
    return task


async def _find(task_id: UUID, work: Work) -> Task | None:
    """Return the task, without a lock: a flood of forged requests must not hold up the commands of its owner."""
    try:
        task = await work.store.load(Task, task_id)
    except AggregateNotFound:
        return None
    return None if task.deleted else task


async def _start(execution_id: UUID, command: FireTrigger, task: Task, work: Work) -> None:
    task.fire_trigger(
        command.trigger_id, command.webhook_id, work.now
    )  # on a copy: it is refused before it is rendered
    variables = task.definition.variables | variables_of(command)
    await check_prompt(task.definition, variables, None, work)
    executions = TaskExecutions(await work.load_owned(Task, task.id), work)
    executions.task.fire_trigger(command.trigger_id, command.webhook_id, work.now)
    await executions.admit(executions.create(execution_id, "api", variables, **Origin(trigger_id=command.trigger_id)))
    await executions.save()


async def _with_secret(task_id: UUID, trigger_id: UUID, secret: str, work: Work) -> NewTrigger:
    view = await work.ask(GetTrigger(task_id=task_id, trigger_id=trigger_id))
    return NewTrigger(**dict(view), secret=secret)
