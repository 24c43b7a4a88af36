"""What it costs that a tool call is stored before it begins.

The service says how long each call of `Bash` has waited. To that comes the hook which lets it wait: the SDK alone runs
agents with and without one. How much later a call begins in the service is that, and what the service does meanwhile.
All take turns; each command says when it was begun.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from urllib.request import urlopen

from simulator.testing import bash, scripted

from tests.bench.bare import TOOLS, BareAgent
from tests.bench.report import Aim, Line, milliseconds
from tests.bench.rounds import interleaved
from tests.bench.stage import Stage

ROUNDS, WARMING, CALLS, AGENTS = 10, 3, 10, 3
PROMPT = scripted(*[bash("date +%s.%N")] * CALLS, {"text": "Nothing unusual is in the logs."})
BUCKET = re.compile(r'tool_call_wait_seconds_bucket\{le="(.+)"\} (.+)')
AIM = Aim(5, " ms", most=True)

type Buckets = Sequence[tuple[float, float]]
"""The limits of a histogram, in order, and how many values are below each."""


async def measure(stage: Stage) -> list[Line]:
    """Make calls in a session, and by the SDK with and without a hook, in turns."""
    user = stage.user()
    session_id = user.create(*TOOLS)
    plain = await stage.section.enter_async_context(BareAgent.some(stage, AGENTS))
    hooked = await stage.section.enter_async_context(BareAgent.some(stage, AGENTS, hooked=True))

    async def service() -> float:
        user.ask(session_id, PROMPT).raise_for_status()
        calls = user.items(f"/sessions/{session_id}/tool-calls", order="desc", limit=CALLS)
        return _interval(call["tool_output"]["content"] for call in reversed(calls))

    async def bare(agents: list[BareAgent]) -> float:
        return median([_interval(await agent.ask(PROMPT)) for agent in agents])

    sides = {"service": service, "plain": lambda: bare(plain), "hooked": lambda: bare(hooked)}
    await interleaved(sides, WARMING)
    before = _waited(stage)
    rounds = await interleaved(sides, ROUNDS)
    waits = [(limit, now - then) for (limit, now), (_, then) in zip(_waited(stage), before, strict=True)]
    wait, ours, control = _quantile(waits, 0.5), rounds.median("service"), rounds.median("plain")
    hook = rounds.median("hooked") - control
    return [
        Line("the wait of a call of Bash until it is stored, p50", milliseconds(wait)),
        Line("  p95", milliseconds(_quantile(waits, 0.95))),
        Line("a hook, by the SDK alone; both together", milliseconds(hook), "", (wait + hook) * 1000, AIM, " ms"),
        Line(
            "from one call to the next; the SDK alone, without a hook",
            milliseconds(ours),
            milliseconds(control),
            (ours - control) * 1000,
            unit=" ms",
        ),
    ]


def _interval(begun: Iterable[str]) -> float:
    """Return how many seconds after one call the next has begun, as the median."""
    return median(after - before for before, after in pairwise(map(float, begun)))


def _waited(stage: Stage) -> Buckets:
    with urlopen(f"{stage.system.ops_url('session')}/metrics", timeout=5) as answer:  # noqa: S310  our own
        return [(float(limit), float(number)) for limit, number in BUCKET.findall(answer.read().decode())]


def _quantile(buckets: Buckets, share: float) -> float:
    """Return the value that this share of all values is below, as if those in a bucket were evenly spread."""
    wanted, lower, below = buckets[-1][1] * share, 0.0, 0.0
    for limit, number in buckets:
        if number >= wanted:
            return lower + (limit - lower) * (wanted - below) / (number - below)
        lower, below = limit, number
    return lower
