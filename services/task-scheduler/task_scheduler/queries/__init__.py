"""The query handlers of the task-scheduler service, which read its read models: one module per subject."""

from eventing.handling import Handlers

from task_scheduler.queries import execution, task

answers = Handlers.merge(task.answers, execution.answers)
