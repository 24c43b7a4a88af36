"""History of executions, from the events of the service."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.task_scheduler.attempt import ExecutionStarted
from contracts.task_scheduler.execution import (
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionCreated,
    ExecutionFailed,
    ExecutionMissed,
    ExecutionSkipped,
    ExecutionTimedOut,
)
from eventing.database import Database

MINUTE = timedelta(minutes=1)
ENDS = (
    *(ExecutionCompleted.subject, ExecutionFailed.subject, ExecutionCancelled.subject),
    *(ExecutionTimedOut.subject, ExecutionSkipped.subject, ExecutionMissed.subject),
)
READ = "SELECT originator_id, topic, state FROM events ORDER BY tx, position"
TASKS_OF_TICK = """
    SELECT count(DISTINCT state ->> 'task_id')
    FROM (SELECT convert_from(state, 'UTF8')::json AS state FROM events WHERE split_part(topic, ';', 1) = $1) AS created
    WHERE (state ->> 'scheduled_for')::timestamptz = $2"""


@dataclass
class Executions:
    """All executions, of tasks that a tick starts every minute."""

    ticks: dict[UUID, Counter[datetime]]
    """By task, the number of executions of each tick."""
    attempts: set[tuple[UUID, UUID]]
    """The session and the run of each attempt."""
    ends: dict[UUID, list[str]]
    """By execution, the subjects of the events that ended it."""

    @property
    def all_ended(self) -> bool:
        """Whether each execution has at least one end."""
        return all(self.ends.values())

    def problems(self) -> list[str]:
        """Return the ticks that have no execution or several ones, and the executions that ended more than once."""
        wrong = [f"task {task}: {found}" for task, ticks in self.ticks.items() for found in wrong_ticks(ticks)]
        return wrong + [f"execution {id} ended as {ends}" for id, ends in self.ends.items() if len(ends) != 1]


def wrong_ticks(ticks: Counter[datetime]) -> list[str]:
    """Return the minutes, from the first tick to the last one, that do not have exactly one execution."""
    first, last = min(ticks), max(ticks)
    counts = {first + number * MINUTE: 0 for number in range((last - first) // MINUTE)} | dict(ticks)
    return [f"{tick} has {number} executions" for tick, number in counts.items() if number != 1]


class History:
    """Reads the events of the service from its database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> Executions:
        """Return all executions."""
        executions = Executions(defaultdict(Counter), set(), defaultdict(list))
        for row in await self._database.fetch(READ):
            _add(executions, row["originator_id"], row["topic"].partition(";")[0], json.loads(row["state"]))
        return executions

    async def tasks_of(self, tick: datetime) -> int:
        """Return how many tasks have an execution of a tick."""
        return await self._database.fetchval(TASKS_OF_TICK, ExecutionCreated.subject, tick)


def _add(executions: Executions, id: UUID, subject: str, state: dict[str, Any]) -> None:
    match subject:
        case ExecutionCreated.subject:
            executions.ends[id] += []
            executions.ticks[UUID(state["task_id"])][datetime.fromisoformat(state["scheduled_for"])] += 1
        case ExecutionStarted.subject:
            executions.attempts.add((UUID(state["session_id"]), UUID(state["run_id"])))
        case _ if subject in ENDS:
            executions.ends[id].append(subject)
        case _:
            pass
