"""How soon fresh sessions answer: one each second, 50 at once, and what another user notices of these 50."""

import asyncio
import json
import os
import re
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from statistics import median, quantiles
from typing import Any
from urllib.request import urlopen

from runtime.subprocesses import running
from sandbox import Program, Sandbox
from simulator.testing import scripted

from tests.bench import cpu
from tests.bench.http import Request
from tests.bench.load import Load
from tests.bench.report import Aim, Line, milliseconds
from tests.bench.rounds import Rounds, interleaved
from tests.bench.stage import Stage
from tests.e2e.user import User

ROUNDS, WARMING, SECOND = 20, 3, 1.0
AT_ONCE, READS_SECONDS, READ_ROUNDS = 50, 4.0, 3
REST_SECONDS = 4.0
"""After many sessions were deleted, until their agents have ended."""
PROMPT = scripted({"text": "Nothing unusual is in the logs."})
WORDS, END = b"text_delta", b"event: result"
COLD = {"env": {"NAME": "value"}}
"""No agent that runs already can get variables."""
CLAIMS = re.compile(r'agent_claims_total\{outcome="(\w+)"\} (\S+)')


async def measure(stage: Stage) -> list[Line]:
    """Take turns with sessions that cannot have a prestarted agent."""
    user = stage.user()
    sides = {
        "before": partial(_paced, stage, user, SECOND),
        "query": partial(_paced, stage, user, 0.0),
        "cold": partial(_paced, stage, user, 0.0, **COLD),
    }
    await interleaved(sides, WARMING)
    before, used = _claims(stage), list[float]()
    rounds = await interleaved(sides, ROUNDS)
    claimed, missed = (now - then for now, then in zip(_claims(stage), before, strict=True))
    for _ in range(5):
        began = cpu.used(os.getpid())
        await _first_text(stage, user, 0.0, **COLD)
        used.append(cpu.used(os.getpid()) - began)
    return [
        *_steady(rounds, claimed / (claimed + missed)),
        *await _crowd(stage, median(used)),
        *await _beside(stage, rounds.median("cold")),
    ]


def _steady(rounds: Rounds, hits: float) -> list[Line]:
    cold = milliseconds(rounds.median("cold"))
    return [
        Line(
            f"first words of a session {what}; of one that starts its agent",
            milliseconds(rounds.median(side)),
            cold,
            rounds.median(side) * 1000,
            Aim(aim, " ms", most=True),
            " ms",
        )
        for what, side, aim in (("created a second before", "before", 120), ("created with the query", "query", 170))
    ] + [Line("  sessions that claimed an agent", f"{hits:.0%}", "", hits * 100, Aim(95, " %"), " %")]


async def _crowd(stage: Stage, cold_seconds: float) -> list[Line]:
    """Ask all at once. The processors need `cold_seconds` for each, so 95 % of the answers need 95 % of the sum."""
    user = stage.user()
    ids = [user.create() for _ in range(AT_ONCE)]
    await asyncio.sleep(2 * SECOND)
    waits = await asyncio.gather(*(_text_after_query(stage, user, id) for id in ids))
    _delete(user, ids)
    slow, bound = quantiles(waits, n=100)[94], 0.95 * AT_ONCE * cold_seconds / (os.cpu_count() or 1)
    what = f"first words of {AT_ONCE} sessions at once, p95; what the processors allow"
    aim = Aim(1.3, "x", most=True)
    return [Line(what, f"{slow:.2f} s", f"{bound:.2f} s", slow / bound, aim), Line("  p50", f"{median(waits):.2f} s")]


async def _beside(stage: Stage, cold: float) -> list[Line]:
    """Read a session of one user, and start another, while another user asks many at once, and without that.

    What the scheduler allows is measured beside programs of as low a priority, one on each processor, that do nothing
    for anybody.
    """
    quiet, noisy = stage.user(), stage.user()
    path = f"/api/v1/sessions/{quiet.create()}"
    load = Load(stage.port, Request.get(path, str(quiet.http.headers["authorization"])), 1, READS_SECONDS)
    firsts = list[float]()

    async def read() -> float:
        return (await stage.clients.put(load)).percentile(99)

    async def read_beside_programs() -> float:
        async with _busy(os.cpu_count() or 1):
            return await read()

    async def read_beside_user() -> float:
        async with _asking(stage, noisy), asyncio.TaskGroup() as tasks:
            first = tasks.create_task(_first_text(stage, quiet, SECOND, **COLD))
            slow = await read()
        firsts.append(first.result())
        return slow

    await asyncio.sleep(REST_SECONDS)
    rounds = await interleaved({"alone": read, "programs": read_beside_programs, "user": read_beside_user}, READ_ROUNDS)
    alone, allowed, beside = (rounds.median(side) for side in ("alone", "programs", "user"))
    what = f"GET /sessions/{{id}} beside {AT_ONCE} first queries of another user; alone (p99)"
    idle = "  beside programs in sandboxes on all processors; alone"
    late = median(firsts)
    return [
        Line(what, milliseconds(beside), milliseconds(alone), beside / alone, Aim(1.5, "x", most=True)),
        Line(idle, milliseconds(allowed), milliseconds(alone), allowed / alone),
        Line("  first words beside them; alone", f"{late:.2f} s", f"{cold:.2f} s", late / cold),
    ]


@asynccontextmanager
async def _asking(stage: Stage, user: User) -> AsyncGenerator[None]:
    """Ask many new sessions of a user at once; in the end, delete them, and wait until their agents have ended."""
    ids = [user.create() for _ in range(AT_ONCE)]
    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(_text_after_query(stage, user, id)) for id in ids]
        yield
        for task in asking:
            task.cancel()
    _delete(user, ids)
    await asyncio.sleep(REST_SECONDS)


@asynccontextmanager
async def _busy(number: int) -> AsyncGenerator[None]:
    """Run so many programs in sandboxes that never rest."""
    sandbox, _ = await Sandbox.find()
    async with AsyncExitStack() as held:
        for _ in range(number):
            process = sandbox.prepare(Program(("/bin/sh", "-c", "while :; do :; done")))
            held.callback(process.remove)
            await held.enter_async_context(running(process.entrypoint))
            await process.wait_started()
            held.callback(process.kill)
        yield


async def _paced(stage: Stage, user: User, wait: float, **options: Any) -> float:
    """Return how long the first words took; a session each second is created."""
    began = time.perf_counter()
    seconds = await _first_text(stage, user, wait, **options)
    await asyncio.sleep(max(0.0, SECOND - (time.perf_counter() - began)))
    return seconds


async def _first_text(stage: Stage, user: User, wait: float, **options: Any) -> float:
    session_id = user.create(**options)
    await asyncio.sleep(wait)
    seconds = await _text_after_query(stage, user, session_id)
    _delete(user, [session_id])
    return seconds


def _delete(user: User, ids: Sequence[str]) -> None:
    for session_id in ids:
        user.http.delete(f"/sessions/{session_id}").raise_for_status()


async def _text_after_query(stage: Stage, user: User, session_id: str) -> float:
    began = time.perf_counter()
    try:
        async with _opened(stage, user, session_id) as reader:
            await reader.readuntil(WORDS)
            seconds = time.perf_counter() - began
            await reader.readuntil(END)
    except asyncio.IncompleteReadError as cut:
        raise RuntimeError(f"no answer: {cut.partial[-500:].decode()}") from cut
    return seconds


@asynccontextmanager
async def _opened(stage: Stage, user: User, session_id: str) -> AsyncGenerator[asyncio.StreamReader]:
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    body = json.dumps({"message": PROMPT}).encode()
    head = (
        f"POST /api/v1/sessions/{session_id}/query HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n"
        f"authorization: {user.http.headers['authorization']}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    try:
        writer.write(head.encode() + body)
        yield reader
    finally:
        writer.close()


def _claims(stage: Stage) -> tuple[float, float]:
    """Return how many sessions have claimed an agent, and how many could have and did not."""
    with urlopen(f"{stage.system.ops_url('session')}/metrics", timeout=5) as answer:  # noqa: S310  our own
        found = dict(CLAIMS.findall(answer.read().decode()))
    claimed, *others = (float(found.get(outcome, 0)) for outcome in ("claimed", "missed", "failed"))
    return claimed, sum(others)
