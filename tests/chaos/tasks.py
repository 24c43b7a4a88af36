"""Invariants of tasks after all faults have ended."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import httpx
from eventing.database import Database, Row
from runtime.testing import eventually
from task_scheduler.app import service

from tests.chaos.invariants import on_the_bus
from tests.chaos.users import User
from tests.chaos.waiting import QUIET_SECONDS, settles

MINUTE = timedelta(minutes=1)
WAITING = "SELECT id, status, attempt FROM executions WHERE completed_at IS NULL"
# The run of the last attempt decides how an execution ends, unless it was cancelled or timed out first.
DISAGREEING = """
    SELECT e.id, e.status, e.error_code, r.status AS run_status, r.error_code AS run_error_code
    FROM executions AS e LEFT JOIN session.runs AS r ON r.id = e.run_id
    WHERE CASE e.status
        WHEN 'completed' THEN r.status IS DISTINCT FROM 'completed'
        WHEN 'failed' THEN r.id IS NOT NULL AND r.error_code IS DISTINCT FROM e.error_code
        WHEN 'cancelled' THEN r.id IS NOT NULL AND r.ended_at IS NULL
        WHEN 'timed_out' THEN r.id IS NOT NULL AND r.ended_at IS NULL
        ELSE r.id IS NOT NULL
    END"""
ENDS = """
    SELECT originator_id AS id, count(*) AS n FROM events
    WHERE topic ~ '^evt.task_scheduler.execution_(completed|failed|cancelled|timed_out|skipped|missed);'
    GROUP BY 1 HAVING count(*) > 1"""
SLOTS = """
    SELECT convert_from(state, 'UTF8')::json ->> 'execution_id' AS id FROM events
    WHERE topic ~ '^evt.task_scheduler.execution_(enqueued|admitted|released);'
    GROUP BY 1 HAVING count(*) FILTER (WHERE topic ~ 'released') <> 1"""
TICKS = "SELECT task_id, scheduled_for FROM executions WHERE scheduled_for IS NOT NULL AND trigger = 'scheduled'"


async def pause(gateways: Sequence[str], users: Sequence[User]) -> None:
    """Pause all tasks, so that the system comes to rest."""
    for user in users:
        async with httpx.AsyncClient(base_url=f"{gateways[0]}/api/v1", headers=user.http.headers, timeout=60) as http:
            for task in user.tasks:
                await eventually(lambda path=f"/tasks/{task.id}/pause": _accepted(http, path), within=QUIET_SECONDS)


async def _accepted(http: httpx.AsyncClient, path: str) -> bool:
    try:
        return (await http.post(path)).is_success
    except httpx.HTTPError:
        return False


async def violations(database_url: str, nats_url: str, users: Sequence[User]) -> list[str]:
    """Return what does not hold, a sentence each."""
    async with Database.open(database_url, service.name) as database:
        return [
            *await _stuck(database),
            *await _disagreeing(database),
            *await _lost(database, users),
            *await _ended_twice(database),
            *await _wrong_ticks(database),
            *await on_the_bus(database, nats_url, service.events),
        ]


async def outcomes(database_url: str) -> Counter[str]:
    """Count how executions ended, by what started them."""
    async with Database.open(database_url, service.name) as database:
        rows = await database.fetch("SELECT trigger, status, coalesce(error_code, '') AS code FROM executions")
    return Counter(f"{row['trigger']} {row['status']} {row['code']}".strip() for row in rows)


async def _stuck(database: Database) -> list[str]:
    rows = await _rows_that_stay(database, WAITING)
    return [f"stuck: execution {row['id']}, {row['status']}, attempt {row['attempt']}" for row in rows]


async def _disagreeing(database: Database) -> list[str]:
    rows = await _rows_that_stay(database, DISAGREEING)
    return [
        f"execution {row['id']} is {row['status']} {row['error_code']}, "
        f"and its run is {row['run_status']} {row['run_error_code']}"
        for row in rows
    ]


async def _rows_that_stay(database: Database, statement: str) -> list[Row]:
    """Wait until a statement finds nothing, and return what it finds if it always does."""

    async def found_nothing() -> bool:
        return not await database.fetch(statement)

    return [] if await settles(database, found_nothing) else await database.fetch(statement)


async def _lost(database: Database, users: Sequence[User]) -> list[str]:
    """Find executions that were acknowledged, or whose cancellation was, and that are not so."""
    statuses = {str(row["id"]): row["status"] for row in await database.fetch("SELECT id, status FROM executions")}
    tasks = [task for user in users for task in user.tasks]
    lost = [id for task in tasks for id in task.executions if id not in statuses]
    cancelled = [id for task in tasks for id in task.cancelled if statuses.get(id) != "cancelled"]
    return [f"execution {id} was acknowledged, and is gone" for id in lost] + [
        f"execution {id} was cancelled, and is {statuses.get(id)}" for id in cancelled
    ]


async def _ended_twice(database: Database) -> list[str]:
    """Find executions that ended more than once, or that were not released once by the task that they occupied."""
    found = [f"execution {row['id']} has {row['n']} ends" for row in await database.fetch(ENDS)]
    return found + [f"execution {row['id']} was not released once" for row in await database.fetch(SLOTS)]


async def _wrong_ticks(database: Database) -> list[str]:
    """Find minutes, from the first tick of a task to its last one, that do not have exactly one execution."""
    counts = dict[str, Counter[datetime]]()
    for row in await database.fetch(TICKS):
        counts.setdefault(str(row["task_id"]), Counter())[row["scheduled_for"]] += 1
    return [
        f"task {task_id}: tick {tick} has {ticks[tick]} executions"
        for task_id, ticks in counts.items()
        for tick in _minutes(min(ticks), max(ticks))
        if ticks[tick] != 1
    ]


def _minutes(first: datetime, last: datetime) -> list[datetime]:
    return [first + number * MINUTE for number in range((last - first) // MINUTE + 1)]
