"""The aggregates of the task-scheduler service. Task has one module per subject."""

from task_scheduler.aggregate.execution import Execution
from task_scheduler.aggregate.task import Task

__all__ = ["Execution", "Task"]
