"""The reads of one user, beside another user who creates sessions with 32 clients, and alone."""

import asyncio
import json
from statistics import median

from tests.bench.http import Connection, Request
from tests.bench.load import Clients, Load
from tests.bench.report import Aim, Line, milliseconds, rate
from tests.bench.rounds import interleaved
from tests.bench.samples import BODY
from tests.bench.stage import Stage

ROUNDS, SECONDS, CLIENTS = 5, 3.0, 32
AIM = Aim(3.0, "x", most=True)


async def measure(stage: Stage) -> list[Line]:
    """Take turns."""
    quiet, noisy = (str(stage.user().http.headers["authorization"]) for _ in range(2))
    create = Request.post("/api/v1/sessions", quiet, BODY)
    async with await Connection.open(stage.port) as connection:
        path = f"/api/v1/sessions/{json.loads(await connection.ask(create))['id']}"
    reads = Load(stage.port, Request.get(path, quiet), 1, SECONDS)
    noise = Load(stage.port, Request.post("/api/v1/sessions", noisy, BODY), CLIENTS, SECONDS)
    others = stage.hold(Clients.started())
    creates: list[float] = []

    async def alone() -> float:
        return (await stage.clients.put(reads)).percentile(99)

    async def beside() -> float:
        served, created = await asyncio.gather(stage.clients.put(reads), others.put(noise))
        creates.append(created.rate)
        return served.percentile(99)

    sides = {"beside": beside, "alone": alone}
    await interleaved(sides, 1)
    rounds = await interleaved(sides, ROUNDS)
    return [
        Line(
            f"GET /sessions/{{id}} beside {CLIENTS} clients of another user; alone (p99)",
            milliseconds(rounds.median("beside")),
            milliseconds(rounds.median("alone")),
            rounds.ratio("beside", "alone"),
            AIM,
        ),
        Line("sessions that the other user creates meanwhile", rate(median(creates))),
    ]
