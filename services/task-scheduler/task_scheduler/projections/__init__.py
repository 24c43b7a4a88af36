"""The read models of the task-scheduler service, updated in the transaction that stores the event: one per subject."""

from contracts.task_scheduler import TaskEvent
from contracts.task_scheduler.backfill import BackfillEvent
from contracts.task_scheduler.execution import ExecutionEvent
from contracts.task_scheduler.task import LifecycleEvent, ScheduleEvent, SlotEvent
from contracts.task_scheduler.trigger import TriggerEvent
from eventing.database import Connection
from eventing.recording import Recorded

from task_scheduler.projections.backfill import project_backfill
from task_scheduler.projections.event import project_event_starts
from task_scheduler.projections.execution import project_execution
from task_scheduler.projections.task import project_lifecycle, project_schedule, project_slot
from task_scheduler.projections.trigger import project_trigger


async def project(recorded: Recorded[TaskEvent | ExecutionEvent], db: Connection) -> None:
    """Update the read model with one event, by its subject."""
    event = recorded.event
    if isinstance(event, LifecycleEvent):
        await project_lifecycle(event, recorded, db)
        await project_event_starts(event, recorded, db)
    elif isinstance(event, ScheduleEvent):
        await project_schedule(event, recorded, db)
    elif isinstance(event, SlotEvent):
        project_slot(event)
    elif isinstance(event, BackfillEvent):
        await project_backfill(event, recorded, db)
    elif isinstance(event, TriggerEvent):
        await project_trigger(event, recorded, db)
    else:
        await project_execution(event, recorded, db)
