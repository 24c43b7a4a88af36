"""Handlers of commands about the attempts of executions."""

from contracts.task_scheduler.attempt import EndAttempt, RecordSubmission, RecordUsage, StartNextAttempt
from eventing.handling import Handlers

from task_scheduler.admission import save_execution
from task_scheduler.aggregate import Execution
from task_scheduler.dependencies import Work

handles = Handlers()


@handles
async def record_submission(command: RecordSubmission, work: Work) -> None:
    """Record that the prompt of an attempt was submitted."""
    async with work.change(Execution, command.execution_id) as execution:
        execution.record_submission(command.attempt, command.prompt)


@handles
async def end_attempt(command: EndAttempt, work: Work) -> None:
    """End an attempt."""
    execution = await work.load_owned(Execution, command.execution_id)
    execution.end_attempt(command, work.now)
    await save_execution(execution, work)


@handles
async def record_usage(command: RecordUsage, work: Work) -> None:
    """Record the usage of a run."""
    async with work.change(Execution, command.execution_id) as execution:
        execution.record_usage(command.run_id, command.usage)


@handles
async def start_next_attempt(command: StartNextAttempt, work: Work) -> None:
    """Start the next attempt after a failure."""
    async with work.change(Execution, command.execution_id) as execution:
        execution.start_next_attempt(work.now)
