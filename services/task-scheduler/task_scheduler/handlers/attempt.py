"""Handlers of commands about the attempts of executions."""

from contracts.task_scheduler.attempt import RecordSubmission, RecordUsage
from eventing.handling import Handlers

from task_scheduler.aggregate import Execution
from task_scheduler.dependencies import Work

handles = Handlers()


@handles
async def record_submission(command: RecordSubmission, work: Work) -> None:
    """Record that the prompt of an attempt was submitted."""
    async with work.change(Execution, command.execution_id) as execution:
        execution.record_submission(command.attempt, command.prompt)


@handles
async def record_usage(command: RecordUsage, work: Work) -> None:
    """Record the usage of a run."""
    async with work.change(Execution, command.execution_id) as execution:
        execution.record_usage(command.run_id, command.usage)
