"""How many requests of a user are in progress in this gateway: its other requests wait for one of the slots."""

import asyncio
from contextvars import ContextVar
from dataclasses import replace

from prometheus_client import Counter, Gauge
from runtime.activity import Activity
from runtime.metrics import metrics_of
from runtime.turns import Pace, Turn, Turns

from gateway.problems import EdgeCode, Problem

MAX_WAITING = 1000
"""Requests of a user that may wait."""
PACE = Pace(turn_seconds=0.1, counted_seconds=1.0, in_turn_seconds=2.0, rest=1.0)
"""A request that takes longer does not keep the next from beginning, and then does not count: it waits for something,
such as its client or an agent. A user with many requests has half of the time beside others."""
MAX_WAIT_SECONDS = 5.0 + PACE.in_turn_seconds
"""No request is refused because of other users: they delay none by more than the time in turn."""
ACTIVE_SECONDS = 0.25
"""How long after a request of a user those of others begin in turn, so that its next one does not meet many."""

_METRICS = metrics_of("gateway")
_waiting = Gauge("requests_waiting", "Requests that wait for others of their user", registry=_METRICS)
_refused = Counter(
    "requests_crowded_out", "Requests refused because too many others of their user were waiting", registry=_METRICS
)


class RequestSlots:
    """Lets at most `limit` requests of a user begin, and beside other users one after the other.

    Users who have more than `limit` requests at once are no reason for that: two of them would leave processors idle. A
    request that has waited for long begins as without others.
    """

    def __init__(self, limit: int, pace: Pace = PACE) -> None:
        self.limit = limit
        self._activity = Activity[str](ACTIVE_SECONDS)
        self._turns = Turns(replace(pace, limit=limit), self._activity)

    async def acquire(self, user_id: str) -> Turn:
        """Wait until a request of a user may begin.

        Raises:
            Problem: RATE_LIMIT_EXCEEDED; too many wait, or it has waited for too long.
        """
        waiting = self._turns.waiting(user_id)
        if self._turns.running(user_id) + waiting < self.limit:
            self._activity.note(user_id)
        return self._turns.begin(user_id) or await self._wait(user_id, waiting)

    async def _wait(self, user_id: str, waiting: int) -> Turn:
        if waiting >= MAX_WAITING:
            raise self._crowded_out()
        try:
            with _waiting.track_inprogress():
                async with asyncio.timeout(MAX_WAIT_SECONDS):
                    return await self._turns.wait(user_id)
        except TimeoutError:
            raise self._crowded_out() from None

    def _crowded_out(self) -> Problem:
        _refused.inc()
        detail = "Too many requests of this user are waiting. Send fewer at once."
        return Problem(EdgeCode.RATE_LIMIT_EXCEEDED, detail)


current: ContextVar[Turn | None] = ContextVar("request_slot", default=None)


def release_slot() -> None:
    """Let the next request of the user begin, because this one waits for something from here on."""
    if slot := current.get():
        slot.release()
