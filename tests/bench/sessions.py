"""50 sessions that are asked at the same time, each with an agent of its own, by a model that takes a second."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median, quantiles

from simulator.testing import scripted

from tests.bench import cpu, memory
from tests.bench.bare import TOOLS, BareAgent
from tests.bench.http import Connection, Request
from tests.bench.memory import megabytes
from tests.bench.report import Aim, Line, milliseconds
from tests.bench.rounds import interleaved, timed
from tests.bench.stage import Stage
from tests.e2e.user import User

SESSIONS, ROUNDS = 50, 5
IDEAL = 1.0
PROMPT = scripted({"delay": IDEAL, "text": "Nothing unusual is in the logs."})
AIM = Aim(1.25, "x", most=True)

type Ask = Callable[[], Awaitable[object]]


async def measure(stage: Stage) -> list[Line]:
    """First both start all their agents, one after the other; then these are asked again, in turns."""
    bare = await stage.section.enter_async_context(BareAgent.some(stage, SESSIONS))
    sides = {"ours": _ours(stage), "control": [partial(agent.ask, PROMPT) for agent in bare]}
    cold, grown = {name: Crowd(asks) for name, asks in sides.items()}, dict[str, float]()
    for name, crowd in cold.items():
        before = memory.used(os.getpid())
        await crowd()
        grown[name] = (memory.used(os.getpid()) - before) / SESSIONS
    warm, agents = {name: Crowd(asks) for name, asks in sides.items()}, Agents(stage)
    await interleaved(warm, ROUNDS)
    return [
        *_lines("first queries, which start the agents", cold),
        *_lines("next queries", warm),
        _processor("a first query", cold),
        _processor("a next query", warm),
        Line("  of that, ours: agents, session service", agents.shares(SESSIONS * ROUNDS)),
        Line("memory of a session, agent and all", megabytes(grown["ours"]), megabytes(grown["control"])),
    ]


@dataclass
class Crowd:
    """All are asked at the same time."""

    asks: Sequence[Ask]
    waits: list[float] = field(default_factory=list[float])
    seconds: float = 0
    """What the processors did meanwhile, for us."""

    async def __call__(self) -> float:
        """Ask all, and return the median waiting time."""
        used = cpu.used(os.getpid())
        waits = await asyncio.gather(*(timed(ask)() for ask in self.asks))
        self.seconds += cpu.used(os.getpid()) - used
        self.waits += waits
        return median(waits)


class Agents:
    """The session service and its agents, from now on."""

    def __init__(self, stage: Stage) -> None:
        self._pid = stage.system.pids()["session"]
        self._before = self._used()

    def shares(self, queries: int) -> str:
        """Write what they have used for each of so many queries."""
        return ", ".join(
            milliseconds((now - then) / queries) for now, then in zip(self._used(), self._before, strict=True)
        )

    def _used(self) -> tuple[float, float]:
        alone = cpu.used_alone(self._pid)
        return cpu.used(self._pid) - alone, alone


def _ours(stage: Stage) -> list[Ask]:
    user = stage.user()
    ids = [user.create(*TOOLS) for _ in range(SESSIONS)]
    stage.section.callback(_delete, user, ids)
    token = str(user.http.headers["authorization"])
    requests = (Request.post(f"/api/v1/sessions/{id}/query", token, {"message": PROMPT}, 200) for id in ids)
    return [partial(_ask, stage.port, request) for request in requests]


async def _ask(port: int, request: Request) -> None:
    async with await Connection.open(port) as connection:
        await connection.ask(request)


def _delete(user: User, ids: Sequence[str]) -> None:
    for session_id in ids:
        user.http.delete(f"/sessions/{session_id}").raise_for_status()


def _lines(what: str, crowds: dict[str, Crowd]) -> list[Line]:
    ours, control = (crowd.waits for crowd in crowds.values())
    slow, slow_control = (quantiles(waits, n=100)[94] for waits in (ours, control))
    return [
        Line(f"{what}, p50; the SDK alone", _s(median(ours)), _s(median(control)), median(ours) / IDEAL, AIM),
        Line("  p95", _s(slow), _s(slow_control), slow / IDEAL),
    ]


def _processor(what: str, crowds: dict[str, Crowd]) -> Line:
    ours, control = (milliseconds(crowd.seconds / len(crowd.waits)) for crowd in crowds.values())
    return Line(f"processor time of {what}, in all", ours, control)


def _s(seconds: float) -> str:
    return f"{seconds:.2f} s"
