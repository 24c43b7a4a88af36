"""The command handlers of the task-scheduler service, one module per subject: load, let the aggregates decide, save."""

from eventing.handling import Handlers

from task_scheduler.handlers import backfill, execution, task, trigger

handles = Handlers.merge(task.handles, execution.handles, backfill.handles, trigger.handles)
