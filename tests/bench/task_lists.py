"""Pages of 50 of a user's tasks and of a task's executions: of 100,000, against the first of 100."""

from dataclasses import dataclass
from itertools import batched
from uuid import UUID

from eventing.database import Database
from task_scheduler.app import service

from tests.bench.copies import AT_ONCE, ROW, copy, vacuum
from tests.bench.http import Connection, Request
from tests.bench.report import Aim, Line, milliseconds
from tests.bench.rounds import interleaved, timed
from tests.bench.stage import Stage
from tests.e2e.tasks import UserTask

ROUNDS, WARMING = 100, 10
FEW, MANY, RARE = 100, 100_000, 10
AIM = Aim(1.5, "x", most=True)
MAKE_RARE = """
    UPDATE tasks SET pause_reason = 'requested', definition = jsonb_set(definition::jsonb, '{name}', '"rare"')::json
    WHERE id IN (SELECT id FROM tasks WHERE user_id = $1 ORDER BY id LIMIT $2)"""
EXECUTIONS = """
    INSERT INTO executions (id, task_id, user_id, trigger, variables, chain, created_at, status)
    SELECT gen_random_uuid(), id, user_id, 'scheduled', '{}', '{}', now(),
        CASE WHEN n <= $4 THEN 'failed' ELSE 'completed' END
    FROM tasks, generate_series($2::int, $3::int) AS n WHERE id = $1"""
MIDDLE_TASK = "SELECT id FROM tasks WHERE user_id = $1 ORDER BY id OFFSET $2 LIMIT 1"
MIDDLE_EXECUTION = "SELECT id FROM executions WHERE task_id = $1 ORDER BY position OFFSET $2 LIMIT 1"


async def measure(stage: Stage) -> list[Line]:
    """Take turns."""
    async with Database.open(stage.postgres.url, service.name) as database:
        few, many = [await _owner(stage, database, number) for number in (FEW, MANY)]
        await vacuum(database)
    async with await Connection.open(stage.port) as connection:
        requests = {name: request for kind in KINDS for name, request in _requests(kind, many, few).items()}
        sides = {name: timed(lambda request=request: connection.ask(request)) for name, request in requests.items()}
        await interleaved(sides, WARMING)
        rounds = await interleaved(sides, ROUNDS)
    medians = {name: rounds.median(name) for name in sides}
    controls = {kind: medians.pop(f"{kind}, {FIRST}") for kind in KINDS}
    return [_line(name, seconds, controls[name.partition(",")[0]]) for name, seconds in medians.items()]


KINDS = ("tasks", "executions")
FIRST = f"first page of {FEW}"
WINDOWS = {
    f"first page of {MANY:,}": "",
    f"with a filter that {RARE} pass": "&{rare}",
    "`after` the middle": "&after={middle}",
}


def _requests(kind: str, many: "_Owner", few: "_Owner") -> dict[str, Request]:
    ours = {f"{kind}, {what}": many.listing(kind, query) for what, query in WINDOWS.items()}
    named = {f"{kind}, with a name that {RARE} have": many.listing(kind, "&q=rare")} if kind == "tasks" else {}
    return {**ours, **named, f"{kind}, {FIRST}": few.listing(kind, "")}


def _line(name: str, seconds: float, control: float) -> Line:
    return Line(f"{name}; {FIRST}", milliseconds(seconds), milliseconds(control), seconds / control, AIM)


@dataclass(frozen=True)
class _Owner:
    """Someone with many tasks, of which one has as many executions."""

    token: str
    task_id: str
    middle_task: UUID
    middle_execution: UUID

    def listing(self, kind: str, query: str) -> Request:
        if kind == "tasks":
            return self._get("/tasks", query.format(rare="is_active=false", middle=self.middle_task))
        path = f"/tasks/{self.task_id}/executions"
        return self._get(path, query.format(rare="status=failed", middle=self.middle_execution))

    def _get(self, path: str, query: str) -> Request:
        return Request.get(f"/api/v1{path}?limit=50{query}", self.token)


async def _owner(stage: Stage, database: Database, number: int) -> _Owner:
    task = UserTask.create(stage.user(), schedule_cron="0 0 1 1 *")
    user_id, task_id = task.owner_id(), UUID(task.id)
    await copy(database, task_id, number - 1, (ROW,))
    await database.execute(MAKE_RARE, user_id, RARE)
    for some in batched(range(1, number + 1), AT_ONCE):
        await database.execute(EXECUTIONS, task_id, some[0], some[-1], RARE)
    middle = number // 2
    return _Owner(
        str(task.user.http.headers["authorization"]),
        task.id,
        await database.fetchval(MIDDLE_TASK, user_id, middle),
        await database.fetchval(MIDDLE_EXECUTION, task_id, middle),
    )
