"""Many tasks at once: copies of the rows of one that was created by its command."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import batched
from uuid import UUID

from eventing.database import Database
from runtime.clock import new_id
from task_scheduler.schedule import Schedule

AT_ONCE = 1000
"""The trigger counts rows: each one that it counts in the same transaction costs more than the row before."""
VACUUM_SECONDS = 120
COPIES = "unnest($2::uuid[], $3::timestamptz[]) AS copy (id, due)"
EVENT = f"""
    INSERT INTO events (originator_id, originator_version, topic, state, envelope, recorded_at, owner)
    SELECT copy.id, 1, topic, convert_to(jsonb_set(convert_from(state, 'UTF8')::jsonb, '{{next_due_at}}',
        to_jsonb(copy.due))::text, 'UTF8'), envelope, recorded_at, owner
    FROM events, {COPIES} WHERE originator_id = $1 AND originator_version = 1"""  # noqa: S608  no input
ROW = f"""
    INSERT INTO tasks (id, user_id, definition, pause_reason, next_run_at, created_at, updated_at)
    SELECT copy.id, user_id, definition, pause_reason, next_run_at, created_at, updated_at
    FROM tasks, {COPIES} WHERE tasks.id = $1"""  # noqa: S608
DUE = f"""
    INSERT INTO due (kind, id, aggregate, at, try_at, envelope)
    SELECT kind, copy.id, copy.id, copy.due, copy.due, envelope
    FROM due, {COPIES} WHERE kind = 'tick' AND due.id = $1"""  # noqa: S608


async def copy(
    database: Database, task_id: UUID, number: int, statements: Sequence[str] = (EVENT, ROW, DUE)
) -> dict[UUID, datetime]:
    """Copy a scheduled task, and return when each copy is due."""
    row = await database.fetchrow(
        "SELECT schedule_cron, schedule_timezone, next_run_at, definition FROM tasks WHERE id = $1", task_id
    )
    if row is None or row["next_run_at"] is None:
        raise RuntimeError("only a scheduled task can be copied")
    schedule, jitter = Schedule(row["schedule_cron"], row["schedule_timezone"]), row["definition"]["jitter_seconds"]
    copies = {id: schedule.due_at(id, row["next_run_at"], jitter) for id in _ids(number)}
    for some in batched(copies.items(), AT_ONCE):
        ids, due = zip(*some, strict=True)
        async with database.transaction() as connection:
            for statement in statements:
                await connection.execute(statement, task_id, ids, due)
    return copies


async def vacuum(database: Database) -> None:
    """Do what the database would do by itself, soon."""
    async with database.connection() as connection:
        await connection.execute("VACUUM ANALYZE", timeout=VACUUM_SECONDS)


def _ids(number: int) -> Iterator[UUID]:
    return (new_id() for _ in range(number))
