"""Measuring side by side: the sides take turns, so that whatever else the machine does meets them alike."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from statistics import median, quantiles

type Side = Callable[[], Awaitable[float]]
"""One turn of a side; returns its figure, for example calls per second, or seconds."""


@dataclass(frozen=True)
class Rounds:
    """The figures of the sides, by name, one per round."""

    figures: dict[str, list[float]]

    def median(self, side: str) -> float:
        return median(self.figures[side])

    def percentile(self, side: str, percent: int) -> float:
        return quantiles(self.figures[side], n=100)[percent - 1]

    def ratio(self, side: str, control: str) -> float:
        """The median of what the rounds say, so that a round in a bad moment counts for one."""
        pairs = zip(self.figures[side], self.figures[control], strict=True)
        return median(ours / theirs for ours, theirs in pairs)


async def interleaved(sides: Mapping[str, Side], rounds: int) -> Rounds:
    """Let the sides take turns, every other round in the reverse order."""
    figures: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in reversed([*sides]) if number % 2 else sides:
            figures[name].append(await sides[name]())
    return Rounds(figures)


def timed(call: Callable[[], Awaitable[object]]) -> Side:
    """Make a side out of a call: its figure is how many seconds one takes."""

    async def side() -> float:
        began = time.perf_counter()
        await call()
        return time.perf_counter() - began

    return side
