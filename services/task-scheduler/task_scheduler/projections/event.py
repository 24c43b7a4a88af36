"""The read model of the events that start tasks, and of the sessions that such events may come from."""

from typing import Any, assert_never

from contracts.task_scheduler.attempt import ExecutionStarted
from contracts.task_scheduler.task import (
    LifecycleEvent,
    TaskChanged,
    TaskCreated,
    TaskDeleted,
    TaskEnvironmentSet,
    TaskPaused,
    TaskResumed,
)
from eventing.database import Connection
from eventing.recording import Recorded

from task_scheduler.events import matching

SET = """
    INSERT INTO event_starts (user_id, event, task_id, since)
    SELECT t.user_id, event, t.id, CASE WHEN t.is_active THEN $3::timestamptz ELSE 'infinity' END
    FROM tasks t CROSS JOIN unnest($2::text[]) AS event WHERE t.id = $1"""
ADD_ATTEMPT = """
    INSERT INTO earlier_attempts (session_id, execution_id)
    SELECT session_id, id FROM executions WHERE id = $1 AND session_id IS NOT NULL"""


async def project_event_starts(event: LifecycleEvent, recorded: Recorded[Any], db: Connection) -> None:
    """Update the events that start a task, after the row of the task."""
    match event:
        case TaskCreated():
            if event.definition.on:
                await db.execute(SET, recorded.id, matching(event.definition.on), recorded.at)
        case TaskChanged():
            await db.execute("DELETE FROM event_starts WHERE task_id = $1", recorded.id)
            await db.execute(SET, recorded.id, matching(event.definition.on), recorded.at)
        case TaskPaused():
            await db.execute("UPDATE event_starts SET since = 'infinity' WHERE task_id = $1", recorded.id)
        case TaskResumed():
            await db.execute("UPDATE event_starts SET since = $2 WHERE task_id = $1", recorded.id, recorded.at)
        case TaskEnvironmentSet() | TaskDeleted():
            pass  # the rows of a deleted task are deleted with it
        case _:
            assert_never(event)


async def project_earlier_attempt(event: ExecutionStarted, recorded: Recorded[Any], db: Connection) -> None:
    """Remember the session of the attempt before this one, before the row of the execution gets another session."""
    if event.attempt > 1:
        await db.execute(ADD_ATTEMPT, recorded.id)
