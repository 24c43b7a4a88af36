"""Deletes the history of deleted tasks."""

from contracts.task_scheduler.task import TaskDeleted
from eventing.reactions import Reaction, Reactions
from eventing.recording import Recorded

from task_scheduler.dependencies import Dependencies

reactions = Reactions()


@reactions.shared("delete_executions")
async def delete_executions(recorded: Recorded[TaskDeleted], reaction: Reaction[Dependencies]) -> None:
    """Delete the executions of a deleted task; DeleteTask has cancelled those that were not over."""
    await reaction.dependencies.executions.delete_of_task(recorded.id)
