"""The query handlers of the task-scheduler service, which read its read models: one module per subject."""

from eventing.handling import Handlers

from task_scheduler.queries import backfill, event, execution, task, trigger

answers = Handlers.merge(task.answers, execution.answers, trigger.answers, backfill.answers, event.answers)
