"""Work of users that begins in turn: one piece of a user's work after the other, while other users are active."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from time import monotonic

from runtime.activity import Activity


@dataclass(frozen=True)
class Pace:
    """How much work of a user begins at the same time.

    Attributes:
        limit: the number of pieces in progress, also of a user who is alone.
        turn_seconds: how long one keeps the next from beginning, beside other users.
        counted_seconds: after how long one that has not ended does not count as in progress any more.
        in_turn_seconds: after how long a wait one begins as without other users.
        rest: how many times as long as one took its user has no turn, beside other users, while more than `limit` wait.
    """

    limit: float = inf
    turn_seconds: float = inf
    counted_seconds: float = inf
    in_turn_seconds: float = inf
    rest: float = 0.0


class Turn:
    """What one piece of work holds while it counts as in progress."""

    def __init__(self, pace: Pace, work: "_Work", freed: Callable[[], None]) -> None:
        self._pace, self._work, self._freed = pace, work, freed
        self._held = self._in_turn = True
        self._began = monotonic()
        work.running += 1
        work.in_turn += 1
        self._timer = self._after(pace.turn_seconds, self._end_turn)

    def release(self) -> None:
        """Let the next one of the user begin; nothing happens the second time."""
        if self._held:
            self._held = False
            if self._timer:
                self._timer.cancel()
            self._work.running -= 1
            if self._in_turn:
                self._rest()
            self._freed()

    def _rest(self) -> None:
        rest = self._pace.rest * (monotonic() - self._began)
        if rest and len(self._work.waiting) > self._pace.limit:
            self._after(rest, self._end_rest)
        else:
            self._work.in_turn -= 1

    def _end_rest(self) -> None:
        self._work.in_turn -= 1
        self._freed()

    def _end_turn(self) -> None:
        self._in_turn = False
        self._work.in_turn -= 1
        self._timer = self._after(self._pace.counted_seconds - self._pace.turn_seconds, self.release)
        self._freed()

    def _after(self, seconds: float, do: Callable[[], None]) -> asyncio.TimerHandle | None:
        return asyncio.get_running_loop().call_later(seconds, do) if seconds < inf else None


@dataclass
class _Work:
    """That of one user: how much is in progress and in its turn, and since when each other piece waits, in order."""

    running: int = 0
    in_turn: int = 0
    waiting: OrderedDict[asyncio.Future[Turn], float] = field(default_factory=OrderedDict[asyncio.Future[Turn], float])


class Turns[User]:
    """Lets the work of each user begin in the order of its arrival, and beside other users one after the other.

    The next piece begins when the last one is released, or takes long. So a user with much work delays others little,
    and somebody with one piece waits for nobody.
    """

    def __init__(self, pace: Pace, activity: Activity[User]) -> None:
        self.pace, self._activity = pace, activity
        self._users = dict[User, _Work]()

    def running(self, user: User) -> int:
        """Return how much work of a user is in progress."""
        return self._users[user].running if user in self._users else 0

    def waiting(self, user: User) -> int:
        """Return how much work of a user waits."""
        return len(self._users[user].waiting) if user in self._users else 0

    def begin(self, user: User) -> Turn | None:
        """Return the turn of a piece of work that may begin now; None if it has to wait."""
        work = self._users.setdefault(user, _Work())
        return None if work.waiting or not self._may_begin(user, work) else self._turn(user, work)

    async def wait(self, user: User) -> Turn:
        """Wait until a piece of work may begin that cannot `begin` now. The caller bounds number and time of waits."""
        work, own = self._users[user], asyncio.get_running_loop().create_future()
        work.waiting[own] = monotonic()
        try:
            return await own
        except asyncio.CancelledError:
            if own.done() and not own.cancelled():  # it may begin in the same moment, and nobody else has its turn
                own.result().release()
            else:
                work.waiting.pop(own, None)
            raise

    def cancel(self) -> None:
        """Cancel the waits of all users, as if their tasks were cancelled."""
        for work in self._users.values():
            for waiting in work.waiting:
                waiting.cancel()

    def _turn(self, user: User, work: _Work) -> Turn:
        return Turn(self.pace, work, lambda: self._begin_next(user, work))

    def _may_begin(self, user: User, work: _Work) -> bool:
        return work.running < self.pace.limit and not (work.in_turn and self._next_in_turn(user, work))

    def _next_in_turn(self, user: User, work: _Work) -> bool:
        longest = monotonic() - next(iter(work.waiting.values())) if work.waiting else 0.0
        return longest < self.pace.in_turn_seconds and self._activity.is_beside(user)

    def _begin_next(self, user: User, work: _Work) -> None:
        while work.waiting and self._may_begin(user, work):
            following, _ = work.waiting.popitem(last=False)
            if not following.done():
                following.set_result(self._turn(user, work))
        if not work.running and not work.in_turn:
            self._users.pop(user, None)
