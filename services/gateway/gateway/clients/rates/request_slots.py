"""How many requests of a user are in progress in this gateway: its other requests wait for one of the slots."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import monotonic

from prometheus_client import Counter, Gauge
from runtime.activity import Activity
from runtime.metrics import metrics_of

from gateway.problems import EdgeCode, Problem

MAX_WAITING = 1000
"""Requests of a user that may wait."""
MAX_IN_TURN_SECONDS = 2.0
"""A request that has waited for this long begins as without others."""
MAX_WAIT_SECONDS = 5.0 + MAX_IN_TURN_SECONDS
"""No request is refused because of other users: they delay none by more than the time in turn."""
COUNTED_SECONDS = 1.0
"""A request that takes longer does not count any more: it waits for something, such as its client or an agent."""
TURN_SECONDS = 0.1
"""How long a request may keep the next one of its user from beginning, beside other users."""
ACTIVE_SECONDS = 0.25
"""How long after a request of a user those of others begin in turn, so that its next one does not meet many."""

_METRICS = metrics_of("gateway")
_waiting = Gauge("requests_waiting", "Requests that wait for others of their user", registry=_METRICS)
_refused = Counter(
    "requests_crowded_out", "Requests refused because too many others of their user were waiting", registry=_METRICS
)


class Slot:
    """What one request holds while it counts as in progress."""

    def __init__(self, requests: "_Requests", freed: Callable[["_Requests"], None]) -> None:
        self._requests, self._freed = requests, freed
        self._held = self._in_turn = True
        requests.running += 1
        requests.in_turn += 1
        self._timer = asyncio.get_running_loop().call_later(TURN_SECONDS, self._end_turn)

    def release(self) -> None:
        """Let the next request of the user begin; nothing happens the second time."""
        if self._held:
            self._held = False
            self._timer.cancel()
            self._requests.running -= 1
            self._requests.in_turn -= self._in_turn
            self._freed(self._requests)

    def _end_turn(self) -> None:
        self._in_turn = False
        self._requests.in_turn -= 1
        self._timer = asyncio.get_running_loop().call_later(COUNTED_SECONDS - TURN_SECONDS, self.release)
        self._freed(self._requests)


@dataclass
class _Requests:
    """Those of one user: how many are in progress and in their turn, and since when each other one waits, in order."""

    user_id: str
    running: int = 0
    in_turn: int = 0
    waiting: OrderedDict[asyncio.Future[Slot], float] = field(default_factory=OrderedDict[asyncio.Future[Slot], float])

    def next_in_turn(self) -> bool:
        """Return whether the next one waits beside others until the last one has ended, or takes long."""
        longest = monotonic() - next(iter(self.waiting.values())) if self.waiting else 0.0
        return self.in_turn > 0 and longest < MAX_IN_TURN_SECONDS


class RequestSlots:
    """Lets at most `limit` requests of a user begin, and the others in the order of their arrival.

    While other users send requests as well, those of a user begin in turn: the next one when the last one has ended, or
    takes long. Users who have more than `limit` requests at once are no reason to: two of them would leave processors
    idle. So a user with many requests delays others little, and somebody with one request waits for nobody. A request
    that has waited for long begins as without others.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._users: dict[str, _Requests] = {}
        self._activity = Activity[str](ACTIVE_SECONDS)

    async def acquire(self, user_id: str) -> Slot:
        """Wait until a request of a user may begin.

        Raises:
            Problem: RATE_LIMIT_EXCEEDED; too many wait, or it has waited for too long.
        """
        requests = self._users.get(user_id)
        if requests is None:
            requests = self._users[user_id] = _Requests(user_id)
        if requests.running + len(requests.waiting) < self.limit:
            self._activity.note(user_id)
        if not requests.waiting and self._may_begin(requests):
            return Slot(requests, self._begin_next)
        return await self._wait(requests)

    def _may_begin(self, requests: _Requests) -> bool:
        if requests.next_in_turn() and self._activity.is_beside(requests.user_id):
            return False
        return requests.running < self.limit

    async def _wait(self, requests: _Requests) -> Slot:
        if len(requests.waiting) >= MAX_WAITING:
            raise self._crowded_out()
        own = asyncio.get_running_loop().create_future()
        requests.waiting[own] = monotonic()
        try:
            with _waiting.track_inprogress():
                async with asyncio.timeout(MAX_WAIT_SECONDS):
                    return await own
        except (TimeoutError, asyncio.CancelledError) as error:
            if own.done() and not own.cancelled():  # the slot was assigned in the same moment, and nobody else has it
                own.result().release()
            else:
                requests.waiting.pop(own, None)
            if isinstance(error, TimeoutError):
                raise self._crowded_out() from None
            raise

    def _begin_next(self, requests: _Requests) -> None:
        while requests.waiting and self._may_begin(requests):
            following, _ = requests.waiting.popitem(last=False)
            if not following.done():
                following.set_result(Slot(requests, self._begin_next))
        if not requests.running:
            del self._users[requests.user_id]

    def _crowded_out(self) -> Problem:
        _refused.inc()
        detail = "Too many requests of this user are waiting. Send fewer at once."
        return Problem(EdgeCode.RATE_LIMIT_EXCEEDED, detail)


current: ContextVar[Slot | None] = ContextVar("request_slot", default=None)


def release_slot() -> None:
    """Let the next request of the user begin, because this one waits for something from here on."""
    if slot := current.get():
        slot.release()
