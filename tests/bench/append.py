"""Appending one event of a new aggregate, with and without its read model, against pgbench of the same statements."""

import asyncio
import time
from typing import Any

from contracts.session.session import SessionCreated
from eventing.database import Connection, Database
from eventing.recording import Recorded
from eventing.store.postgres import PostgresStore
from session.app import service

from tests.bench import pgbench
from tests.bench.report import Aim, Line, rate
from tests.bench.rounds import Rounds, Side, interleaved
from tests.bench.samples import ACTOR, new_command, new_envelope, new_session
from tests.bench.stage import Stage

ROUNDS, SECONDS, TASKS = 3, 2, (8, 32)
AIM = Aim(0.5, "x")
WITHOUT, WITH = "the event", "the event and its read model"


async def measure(stage: Stage) -> list[Line]:
    """Take turns."""
    program = pgbench.find()
    async with stage.database() as database:
        stores = {
            WITHOUT: PostgresStore(database, service.events, _nothing),
            WITH: service.store(database),
        }
        lines: list[Line] = []
        for what, store in stores.items():
            for tasks in TASKS:
                sides = {"ours": _ours(store, tasks)}
                if program:
                    sides["control"] = _control(program, stage, database, what, tasks)
                rounds = await interleaved(sides, ROUNDS)
                lines.append(_line(f"{what}, {tasks} at once; pgbench of the same", rounds))
    return lines if program else [*lines, Line("no pgbench was found, so there is no control", "")]


def _line(what: str, rounds: Rounds) -> Line:
    if "control" not in rounds.figures:
        return Line(what, rate(rounds.median("ours")))
    ours, control = (rate(rounds.median(side)) for side in ("ours", "control"))
    return Line(what, ours, control, rounds.ratio("ours", "control"), AIM)


def _ours(store: PostgresStore, tasks: int) -> Side:
    async def side() -> float:
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            counts = [group.create_task(_append(store, began + SECONDS)) for _ in range(tasks)]
        return sum(count.result() for count in counts) / (time.perf_counter() - began)

    return side


async def _append(store: PostgresStore, end: float) -> int:
    count = 0
    while time.perf_counter() < end:
        await store.save((new_session(),), new_envelope())
        count += 1
    return count


def _control(program: str, stage: Stage, database: Database, what: str, tasks: int) -> Side:
    envelope = new_envelope().within(5)
    event = pgbench.event(f"{SessionCreated.subject};1", new_session().pending[0].model_dump_json().encode(), envelope)
    command = new_command()
    row = pgbench.row(str(ACTOR.user_id), command.name, command.sdk_options.model_dump(mode="json"))
    script = stage.folder.path / "append.sql"

    async def side() -> float:
        script.write_text(event if what == WITHOUT else pgbench.together(event, row))
        return await pgbench.transactions(
            program, database.url, database.schema, script, clients=tasks, seconds=SECONDS
        )

    return side


async def _nothing(_recorded: Recorded[Any], _connection: Connection) -> None:
    """Have no read model."""
