"""What no task decides alone: how many of them a user has."""

from contracts.refusals import Code, Refusal
from contracts.task_scheduler.task import TaskCreated
from contracts.task_scheduler.values import MAX_TASKS
from eventing.constraints import Constraints
from eventing.database import Connection
from eventing.recording import Recorded

LOCK_USER = "SELECT pg_advisory_xact_lock(hashtextextended('task_scheduler: tasks ' || $1::uuid, 0))"
NUMBER_OF_TASKS = "SELECT count(*) FROM tasks WHERE user_id = $1"

constrains = Constraints()


@constrains
async def check_number(recorded: Recorded[TaskCreated], db: Connection) -> None:
    """Check that the user may have one more task.

    Without the limit one user could make the schedules of all others late: a replica reaches some hundreds of ticks a
    second.

    Raises:
        Refusal: TOO_MANY_TASKS.
    """
    actor = recorded.envelope.actor
    if actor is None or actor.role == "admin":
        return
    await db.execute(LOCK_USER, recorded.owner)
    if await db.fetchval(NUMBER_OF_TASKS, recorded.owner) >= MAX_TASKS:
        raise Refusal(Code.TOO_MANY_TASKS, f"You have {MAX_TASKS} tasks. Delete one first.")
