"""The tables of the task-scheduler service's queries."""

from uuid import UUID

from contracts.refusals import Code
from eventing.database import Row
from eventing.handling.reading import Table

from task_scheduler.dependencies import Context

TASKS = Table("tasks", Code.TASK_NOT_FOUND)
LISTED_TASKS = Table(
    "tasks LEFT JOIN LATERAL (SELECT e.id AS last_execution_id, e.created_at AS last_run_at, e.status AS last_status, "
    "e.error_code AS last_error_code FROM executions e WHERE e.task_id = tasks.id ORDER BY e.position DESC LIMIT 1) "
    "AS last ON true",
    Code.TASK_NOT_FOUND,
    rows="tasks",
)

# Access to these is decided by the task: queries call `visible` first.
EXECUTIONS = Table("executions", Code.EXECUTION_NOT_FOUND, readable=None, key="position")
TRIGGERS = Table("triggers", Code.TRIGGER_NOT_FOUND, readable=None)
BACKFILLS = Table("backfills", Code.BACKFILL_NOT_FOUND, readable=None)

EVENT_STARTS = Table("event_starts", Code.TASK_NOT_FOUND, readable=None, key="task_id")
"""Read for the service itself, within one user's tasks."""


async def visible(task_id: UUID, context: Context) -> Row:
    """Return the row of a task that the actor may see: an own one, or any for an admin.

    Raises:
        Refusal: TASK_NOT_FOUND.
    """
    return await TASKS.fetch("id, definition, next_run_at", task_id, context)
