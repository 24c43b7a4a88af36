"""What it costs that a tool call is stored before it begins.

The service says how long each call of `Bash` has waited. To that comes the hook which lets it wait: the SDK alone runs
agents with and without one, in turns.
"""

import re
from collections.abc import Sequence
from urllib.request import urlopen

from simulator.testing import bash, scripted

from tests.bench.bare import TOOLS, BareAgent
from tests.bench.report import Aim, Line, milliseconds
from tests.bench.rounds import interleaved, timed
from tests.bench.stage import Stage

ROUNDS, WARMING, CALLS = 5, 1, 10
PROMPT = scripted(*[bash("true")] * CALLS, {"text": "Nothing unusual is in the logs."})
BUCKET = re.compile(r'tool_call_wait_seconds_bucket\{le="(.+)"\} (.+)')
AIM = Aim(5, " ms", most=True)

type Buckets = Sequence[tuple[float, float]]
"""The limits of a histogram, in order, and how many values are below each."""


async def measure(stage: Stage) -> list[Line]:
    """Make calls in a session, and then compare the SDK with and without a hook."""
    user = stage.user()
    session_id = user.create(*TOOLS)
    user.ask(session_id, PROMPT).raise_for_status()
    before = _waited(stage)
    for _ in range(ROUNDS):
        user.ask(session_id, PROMPT).raise_for_status()
    waits = [(limit, now - then) for (limit, now), (_, then) in zip(_waited(stage), before, strict=True)]
    wait, hook = _quantile(waits, 0.5), await _hook(stage)
    return [
        Line("the wait of a call of Bash until it is stored, p50", milliseconds(wait)),
        Line("  p95", milliseconds(_quantile(waits, 0.95))),
        Line(
            "the call of a hook, by the SDK alone; both together",
            milliseconds(hook),
            "",
            (wait + hook) * 1000,
            AIM,
            " ms",
        ),
    ]


async def _hook(stage: Stage) -> float:
    """Return by how many seconds a call takes longer with a hook that does nothing, as the median."""
    [plain] = await stage.section.enter_async_context(BareAgent.some(stage, 1))
    [hooked] = await stage.section.enter_async_context(BareAgent.some(stage, 1, hooked=True))
    sides = {"plain": timed(lambda: plain.ask(PROMPT)), "hooked": timed(lambda: hooked.ask(PROMPT))}
    await interleaved(sides, WARMING)
    rounds = await interleaved(sides, ROUNDS)
    return (rounds.median("hooked") - rounds.median("plain")) / CALLS


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
