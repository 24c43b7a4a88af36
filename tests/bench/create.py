"""Creating sessions with 8 clients, through the whole system, against bare FastAPI and asyncpg."""

import asyncio

from tests.bench import cpu
from tests.bench.bare_api import bare_api
from tests.bench.http import Request
from tests.bench.load import Load
from tests.bench.report import Aim, Line, milliseconds, rate
from tests.bench.rounds import Side, interleaved
from tests.bench.samples import BODY
from tests.bench.stage import Stage

ROUNDS, SECONDS, CLIENTS = 5, 3.0, 8
PAUSE = 0.3
"""Between two rounds: what the last one left to do should not weigh on the next."""
AIM = Aim(0.2, "x")


async def measure(stage: Stage) -> list[Line]:
    """Take turns."""
    token = str(stage.user().http.headers["authorization"])
    ours = Load(stage.port, Request.post("/api/v1/sessions", token, BODY), CLIENTS, SECONDS)
    async with bare_api(stage) as port:
        control = Load(port, Request.post("/sessions", "", BODY), CLIENTS, SECONDS)
        meter = Meter(stage)
        sides = {"ours": meter.side(ours), "control": _side(stage, control)}
        await interleaved(sides, 1)  # warms both up
        meter.reset()
        rounds = await interleaved(sides, ROUNDS)
    p50, p99 = (milliseconds(meter.percentile(percent)) for percent in (50, 99))
    return [
        Line(
            "POST /sessions; bare FastAPI + asyncpg INSERT",
            rate(rounds.median("ours")),
            rate(rounds.median("control")),
            rounds.ratio("ours", "control"),
            AIM,
        ),
        Line("latency, p50 and p99", f"{p50}, {p99}"),
        *(Line(f"processor time of {name}, per session", milliseconds(s)) for name, s in meter.per_session().items()),
    ]


class Meter:
    """Puts loads on the system, and adds up what its processes use meanwhile."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        pids = stage.system.pids()
        self.pids = {name: pids[name] for name in ("gateway", "session", "identity", "task_scheduler")}
        self.pids |= {"postgres": stage.postgres.child.pid or 0, "nats": stage.nats.child.pid or 0}
        self.reset()

    def reset(self) -> None:
        self.used = dict.fromkeys(self.pids, 0.0)
        self.latencies: list[float] = []

    def side(self, load: Load) -> Side:
        async def side() -> float:
            before = {name: cpu.used(pid) for name, pid in self.pids.items()}
            served = await self.stage.clients.put(load)
            await asyncio.sleep(PAUSE)
            for name, pid in self.pids.items():
                self.used[name] += cpu.used(pid) - before[name]
            self.latencies += served.latencies
            return served.rate

        return side

    def percentile(self, percent: int) -> float:
        return sorted(self.latencies)[len(self.latencies) * percent // 100]

    def per_session(self) -> dict[str, float]:
        return {name: seconds / len(self.latencies) for name, seconds in self.used.items()}


def _side(stage: Stage, load: Load) -> Side:
    async def side() -> float:
        served = await stage.clients.put(load)
        await asyncio.sleep(PAUSE)
        return served.rate

    return side
