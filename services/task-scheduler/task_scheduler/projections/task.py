"""The read model of tasks, and the due times of their schedules."""

from datetime import datetime
from typing import Any, assert_never

from contracts.task_scheduler.task import (
    ExecutionAdmitted,
    ExecutionEnqueued,
    ExecutionReleased,
    LifecycleEvent,
    ScheduleAdvanced,
    SlotEvent,
    TaskChanged,
    TaskCreated,
    TaskDeleted,
    TaskEnvironmentSet,
    TaskPaused,
    TaskResumed,
)
from eventing.database import Connection
from eventing.recording import Recorded

from task_scheduler.due import TICK
from task_scheduler.executions import VARIABLES


async def project_lifecycle(event: LifecycleEvent, recorded: Recorded[Any], db: Connection) -> None:
    """Update the read model with one event of a task's life cycle."""
    id, at = recorded.id, recorded.at
    match event:
        case TaskCreated():
            await db.execute(
                "INSERT INTO tasks (id, user_id, definition, next_run_at, created_at, updated_at) "
                "VALUES ($1, $2, $3, $4, $5, $5)",
                id, event.user_id, event.definition.model_dump(mode="json"), event.next_tick, at,
            )  # fmt: skip
            if event.next_due_at:
                await TICK.set(recorded, id, event.next_due_at, db)
        case TaskChanged():
            await db.execute(
                "UPDATE tasks SET definition = $2, next_run_at = $3, updated_at = $4 WHERE id = $1",
                id, event.definition.model_dump(mode="json"), event.next_tick, at,
            )  # fmt: skip
            await _set_tick(event.next_due_at, recorded, db)
        case TaskEnvironmentSet():
            await VARIABLES.put(recorded, event.variables, db)
        case TaskPaused():
            await db.execute(
                "UPDATE tasks SET pause_reason = $2, next_run_at = NULL, updated_at = $3 WHERE id = $1",
                id, event.reason, at,
            )  # fmt: skip
            await TICK.cancel(id, db)
        case TaskResumed():
            await db.execute(
                "UPDATE tasks SET pause_reason = NULL, next_run_at = $2, updated_at = $3 WHERE id = $1",
                id, event.next_tick, at,
            )  # fmt: skip
            await _set_tick(event.next_due_at, recorded, db)
        case TaskDeleted():
            await db.execute("DELETE FROM tasks WHERE id = $1", id)
            await TICK.cancel(id, db)
        case _:
            assert_never(event)


async def project_schedule(event: ScheduleAdvanced, recorded: Recorded[Any], db: Connection) -> None:
    """Set the next tick of a task."""
    match event:
        case ScheduleAdvanced():
            await db.execute("UPDATE tasks SET next_run_at = $2 WHERE id = $1", recorded.id, event.next_tick)
            await _set_tick(event.next_due_at, recorded, db)
        case _:
            assert_never(event)


async def project_slot(event: SlotEvent, _recorded: Recorded[Any], _db: Connection) -> None:
    """Do nothing: whether an execution waits or runs is projected from its own events."""
    match event:
        case ExecutionEnqueued() | ExecutionAdmitted() | ExecutionReleased():
            pass
        case _:
            assert_never(event)


async def _set_tick(due_at: datetime | None, recorded: Recorded[Any], db: Connection) -> None:
    if due_at is None:
        await TICK.cancel(recorded.id, db)
    else:
        await TICK.set(recorded, recorded.id, due_at, db)
