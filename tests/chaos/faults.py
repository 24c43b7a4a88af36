"""Which faults come when: a seed decides."""

import time
from collections import Counter
from dataclasses import dataclass
from random import Random

from tests.chaos.cluster import HARM, PAIRS, Cluster

MAX_PAUSE = 4.0
MAX_DOWN_SECONDS = 4.0
MAX_STOP_SECONDS = 20.0


@dataclass(frozen=True)
class Fault:
    """A fault of a target, `after` so many seconds; it ends `lasting` seconds later."""

    kind: str
    target: str
    after: float
    lasting: float


def plan(seed: int, faults: int, pace: float = 1.0) -> list[Fault]:
    """Return so many faults; every kind is applied to every target before any is repeated.

    All durations are divided by `pace`.
    """
    random = Random(seed)  # noqa: S311  a seed is the point
    planned: list[Fault] = []
    while len(planned) < faults:
        for kind, target in random.sample(PAIRS, len(PAIRS)):
            longest = MAX_STOP_SECONDS if kind == "SIGSTOP" else MAX_DOWN_SECONDS
            after, lasting = random.uniform(0.2, MAX_PAUSE), random.uniform(0.1, longest)
            planned.append(Fault(kind, target, after / pace, lasting / pace))
    return planned[:faults]


class Faults:
    """Injects faults into a cluster, several at a time but one per target, and ends them again."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.done = cluster, Counter[tuple[str, str]]()
        self._due = dict[str, float]()

    def inject(self, planned: list[Fault], seconds: float) -> None:
        """Inject the planned faults, for so many seconds at most; all have ended when it returns."""
        end = time.monotonic() + seconds
        for fault in planned:
            self._pass(min(fault.after, max(0.0, end - time.monotonic())))
            while fault.target in self._due:
                self._pass(0.1)
            if time.monotonic() >= end:
                break
            HARM[fault.kind](self.cluster, fault.target)
            self.done[fault.kind, fault.target] += 1
            self._due[fault.target] = time.monotonic() + fault.lasting
        while self._due:
            self._pass(0.1)

    def _pass(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while True:
            self.cluster.look_after()
            for target, due in list(self._due.items()):
                if time.monotonic() >= due and self._repaired(target):
                    del self._due[target]
            if time.monotonic() >= until:
                return
            time.sleep(0.05)

    def _repaired(self, target: str) -> bool:
        if self.cluster.surroundings.mend(target):
            return True
        if target in self.cluster.stopped:
            self.cluster.let_go_on(target)
            return True
        return self.cluster.revive(target)
