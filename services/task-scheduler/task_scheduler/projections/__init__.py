"""The read models of the task-scheduler service, updated in the transaction that stores the event: one per subject."""

from contracts.task_scheduler import TaskEvent
from contracts.task_scheduler.execution import ExecutionEvent
from eventing.projections import Projections

from task_scheduler.projections.backfill import project_backfill
from task_scheduler.projections.event import project_event_starts
from task_scheduler.projections.execution import project_execution
from task_scheduler.projections.task import project_lifecycle, project_schedule, project_slot
from task_scheduler.projections.trigger import project_trigger

project = Projections(
    TaskEvent | ExecutionEvent,
    *(project_lifecycle, project_event_starts),  # in this order: the second reads the row of the task
    *(project_schedule, project_slot, project_backfill, project_trigger, project_execution),
)
