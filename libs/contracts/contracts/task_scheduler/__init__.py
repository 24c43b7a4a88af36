"""Tasks, their schedules and their executions: one module per subject."""

from contracts.task_scheduler.backfill import BackfillEvent
from contracts.task_scheduler.task import LifecycleEvent, ScheduleEvent, SlotEvent
from contracts.task_scheduler.trigger import TriggerEvent

type TaskEvent = LifecycleEvent | ScheduleEvent | SlotEvent | BackfillEvent | TriggerEvent
"""The events of a task. The unions of its parts are plain aliases, which it flattens."""
