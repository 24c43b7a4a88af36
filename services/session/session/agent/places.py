"""The places of a replica for runs, and which runs lose theirs: they wait for approvals, or the replica stops."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from contracts.session.values import ReleaseReason
from prometheus_client import Counter
from runtime.activity import Activity
from runtime.metrics import metrics_of
from runtime.turns import Pace, Turns

MIN_SECONDS = 2.0
"""How long a run has waited at least if it is released because no place is free. By then all that its agent did is
recorded, and a person who was asked has had a moment to answer."""
PACE = Pace(turn_seconds=1.0)
"""The next run of a user begins when the agent of the last one is ready, or has taken about twice as long as usual."""
CLOSING_SECONDS = 2.0
"""How long before its end a replica that stops hands over the runs whose agents wait for the model."""

released = Counter(
    "runs_released_total",
    "Runs released while they only waited for approvals, or because their replica stops (`handover`), by the reason",
    ["reason"],
    registry=metrics_of("session"),
)


@dataclass(eq=False)
class Place:
    """The place of one run. While the run waits, since `since`, `release` ends its agent, or returns False.

    `only_waits` says whether its agent does nothing else, and `note_work` is called when it goes on after a decision.
    A run that `continues` after an earlier release has a place of another kind. Once the replica is `stopping`,
    `hand_over` ends the agent, or returns False. `let_next_begin` is called when the agent is ready for the run.
    """

    continues: bool = False
    since: float | None = None
    release: Callable[[], bool] = lambda: False
    only_waits: Callable[[], bool] = lambda: False
    note_work: Callable[[], None] = lambda: None
    hand_over: Callable[[], bool] = lambda: False
    released: ReleaseReason | None = None
    stopping: bool = False
    let_next_begin: Callable[[], None] = lambda: None

    def wait(self) -> None:
        """Note that the run waits for another approval from now on."""
        self.since = asyncio.get_running_loop().time()

    def resume(self) -> None:
        """Note that the run does not wait."""
        self.since = None


class Places:
    """The places of one replica, `number` of them, and half as many for runs that continue even if all are taken.

    A run that waits for longer than `seconds` is released, and while no place is free, the one that has waited longest.
    Once the replica is `stopping`, all that wait are released, and others are handed over between two calls of tools.

    While other users are active, the runs of a user begin one after the other, except those that continue.
    """

    def __init__(self, number: int, seconds: float, activity: Activity[UUID]) -> None:
        self.seconds, self.number, self.continuing = seconds, number, (number + 1) // 2
        self._places, self._turns, self.stopping = set[Place](), Turns(PACE, activity), False

    @asynccontextmanager
    async def take(self, owner: UUID, *, continues: bool = False) -> AsyncGenerator[Place]:
        """Take a place for a run of a user, and wait until it may begin.

        Others may be released, even if more than all places are taken.
        """
        self._places.add(place := Place(continues, stopping=self.stopping))
        self.review()
        try:
            if not continues:
                turn = self._turns.begin(owner) or await self._turns.wait(owner)
                place.let_next_begin = turn.release
            yield place
        finally:
            place.let_next_begin()
            self._places.remove(place)

    def review(self) -> None:
        """Release the runs that have waited too long, and others while no place is free."""
        now = asyncio.get_running_loop().time()
        waiting = [(now - place.since, place) for place in self._places if place.since is not None]
        for seconds, place in sorted(waiting, key=lambda entry: entry[0], reverse=True):
            overdue = seconds >= self.seconds or self.stopping
            wanted = overdue or (seconds >= MIN_SECONDS and self._is_needed(place))
            if wanted and not place.released and place.release():
                place.released = "approval"
                released.labels("overdue" if overdue else "no_free_place").inc()

    def stop(self, within: float) -> None:
        """Have the runs continued by another replica, because this one stops `within` seconds.

        Runs that wait to begin are returned to the bus. Agents that have finished a call are ended before they ask the
        model again, and others shortly before the end.
        """
        self.stopping = True
        for place in self._places:
            place.stopping = True
        self._turns.cancel()
        self.review()
        asyncio.get_running_loop().call_later(within - CLOSING_SECONDS, self._hand_over)

    def _hand_over(self) -> None:
        for place in self._places:
            place.hand_over()

    def _is_needed(self, place: Place) -> bool:
        taken = [other for other in self._places if not other.released]
        of_its_kind = sum(other.continues for other in taken) if place.continues else 0
        return len(taken) >= self.number or of_its_kind >= self.continuing
