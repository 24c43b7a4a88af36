"""From a tick to the first call of the model, through the whole system, split by step."""

import asyncio
import re
from datetime import datetime
from itertools import pairwise
from statistics import median, quantiles
from uuid import UUID

from contracts.session.run import RunStarted
from contracts.session.session import SessionCreated
from eventing.database import Database
from onebox.testing.system import System
from runtime import clock
from runtime.testing import eventually

from tests.bench.relayed import relayed
from tests.bench.report import Line, milliseconds
from tests.bench.stage import Stage
from tests.e2e.tasks import EVERY_MINUTE, UserTask
from tests.e2e.user import newcomer

TASKS, JITTER_SECONDS = 20, 55
PROMPT = "Tick {number} of {{{{scheduled_for}}}} is reached."
PROMPT_SENT = re.compile(rb"Tick (\d+) of (\S+) is reached")
KEPT = 200
"""Bytes of one read in which the prompt may begin that the next one ends."""
STEPS = (
    "due, until the execution is recorded",
    "until its session is created",
    "until its run is started",
    "until the model is called",
)
DUE = "SELECT at FROM due WHERE kind = 'tick' AND id = $1"
EXECUTION = """
    SELECT e.created_at AS recorded, created.recorded_at AS created, started.recorded_at AS started
    FROM executions AS e
    JOIN session.events AS created ON created.originator_id = e.session_id AND created.topic LIKE $3
    JOIN session.events AS started ON started.originator_id = e.session_id AND started.topic LIKE $4
    WHERE e.task_id = $1 AND e.scheduled_for = $2 AND e.completed_at IS NOT NULL"""

type Path = tuple[datetime, ...]


async def measure(stage: Stage) -> list[Line]:
    """Let tasks tick, spread over a minute, each with an agent of its own."""
    model = _Model()
    async with relayed(stage.model, to_model=model.hear) as model_url, stage.databases.fresh() as database_url:
        with System({"MODEL_BASE_URL": model_url, "DATABASE_URL": database_url}, claude_code=True) as system:
            await asyncio.to_thread(system.start)
            async with Database.open(database_url, "task_scheduler") as database:
                paths = await _paths(system, database, model)
    whole = [(path[-1] - path[0]).total_seconds() for path in paths]
    steps = zip(*map(_steps, paths), strict=True)
    return [
        Line(f"{TASKS} ticks, until the model is called, p50", milliseconds(median(whole))),
        Line("  p95", milliseconds(quantiles(whole, n=20)[18])),
        *(Line(f"  {name}, p50", milliseconds(median(step))) for name, step in zip(STEPS, steps, strict=True)),
    ]


def _steps(path: Path) -> list[float]:
    return [(later - earlier).total_seconds() for earlier, later in pairwise(path)]


async def _paths(system: System, database: Database, model: "_Model") -> list[Path]:
    tasks = await asyncio.to_thread(_create_tasks, system)
    due = {task: await database.fetchval(DUE, task) for task in tasks}
    return [await _path(number, task, due[task], database, model) for number, task in enumerate(tasks)]


def _create_tasks(system: System) -> list[UUID]:
    newcomers = newcomer(system)
    user, fields = next(newcomers), {"schedule_cron": EVERY_MINUTE, "jitter_seconds": JITTER_SECONDS}
    tasks = [UserTask.create(user, PROMPT.format(number=number), **fields) for number in range(TASKS)]
    newcomers.close()
    return [UUID(task.id) for task in tasks]


async def _path(number: int, task_id: UUID, due: datetime, database: Database, model: "_Model") -> Path:
    """Wait until the execution of a tick has ended, and return when each step was done."""
    tick = due.replace(second=0, microsecond=0)
    kinds = [f"{kind.subject};%" for kind in (SessionCreated, RunStarted)]
    row = await eventually(lambda: database.fetchrow(EXECUTION, task_id, tick, *kinds), within=180)
    return due, row["recorded"], row["created"], row["started"], model.called[number, tick]


class _Model:
    """Notes when the model is called with the prompt of a tick."""

    def __init__(self) -> None:
        self.called = dict[tuple[int, datetime], datetime]()
        self._read = b""

    def hear(self, data: bytes) -> None:
        """Look for prompts in what is sent to the model."""
        for found in PROMPT_SENT.finditer(self._read + data):
            self.called.setdefault((int(found[1]), datetime.fromisoformat(found[2].decode())), clock.now())
        self._read = data[-KEPT:]
