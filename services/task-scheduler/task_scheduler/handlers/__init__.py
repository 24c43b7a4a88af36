"""The command handlers of the task-scheduler service, one module per subject: load, let the aggregates decide, save."""

from eventing.handling import Handlers

from task_scheduler.handlers import attempt, backfill, execution, task, trigger

handles = Handlers.merge(task.handles, execution.handles, attempt.handles, backfill.handles, trigger.handles)
