"""Which faults come when: a seed decides."""

import time
from collections import Counter
from dataclasses import dataclass
from random import Random

from tests.chaos.cluster import HARM, PAIRS, Cluster

MAX_PAUSE = 4.0
LONGEST_DOWN = 4.0
LONGEST_STOP = 20.0


@dataclass(frozen=True)
class Fault:
    """What happens to which target, `after` so many seconds; `lasting` seconds later it is mended."""

    kind: str
    target: str
    after: float
    lasting: float


def plan(seed: int, faults: int, pace: float = 1.0) -> list[Fault]:
    """Return so many faults; every kind comes to every target before any comes again.

    All durations are divided by `pace`.
    """
    random = Random(seed)  # noqa: S311  a seed is the point
    planned: list[Fault] = []
    while len(planned) < faults:
        for kind, target in random.sample(PAIRS, len(PAIRS)):
            longest = LONGEST_STOP if kind == "SIGSTOP" else LONGEST_DOWN
            after, lasting = random.uniform(0.2, MAX_PAUSE), random.uniform(0.1, longest)
            planned.append(Fault(kind, target, after / pace, lasting / pace))
    return planned[:faults]


class Faults:
    """Brings faults over a cluster, several at once but one a target, and mends them again."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.done = cluster, Counter[tuple[str, str]]()
        self._due = dict[str, float]()

    def bring(self, planned: list[Fault], seconds: float) -> None:
        """Let what is planned happen, for so many seconds at most; in the end all is mended."""
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
                if time.monotonic() >= due and self._mended(target):
                    del self._due[target]
            if time.monotonic() >= until:
                return
            time.sleep(0.05)

    def _mended(self, target: str) -> bool:
        if target in self.cluster.stopped:
            self.cluster.let_go_on(target)
            return True
        return self.cluster.revive(target)
