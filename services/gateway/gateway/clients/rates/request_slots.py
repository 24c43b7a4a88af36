"""How many requests of a user are in progress in this gateway: its other requests wait for one of the slots."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from prometheus_client import Counter, Gauge
from runtime.metrics import metrics_of

from gateway.problems import EdgeCode, Problem

MAX_WAITING = 1000
"""Requests of a user that may wait."""
MAX_WAIT_SECONDS = 5.0
COUNTED_SECONDS = 1.0
"""A request that takes longer does not count any more: it waits for something, such as its client or an agent."""

_METRICS = metrics_of("gateway")
_waiting = Gauge("requests_waiting", "Requests that wait for others of their user", registry=_METRICS)
_refused = Counter(
    "requests_crowded_out", "Requests refused because too many others of their user were waiting", registry=_METRICS
)


class Slot:
    """What one request holds while it counts as in progress."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release: Callable[[], None] | None = release
        self._timer = asyncio.get_running_loop().call_later(COUNTED_SECONDS, self.release)

    def release(self) -> None:
        """Let the next request of the user begin; nothing happens the second time."""
        if release := self._release:
            self._release = None
            self._timer.cancel()
            release()


@dataclass
class _Requests:
    """Those of one user: how many are in progress, and those that wait, the first one first."""

    running: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque[asyncio.Future[None]])


class RequestSlots:
    """Lets at most `limit` requests of a user begin, and the others in the order of their arrival.

    So a user with many requests gets no more from the services than a user with some. Nobody waits for another user.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._users: dict[str, _Requests] = {}

    async def acquire(self, user_id: str) -> Slot:
        """Wait until a request of a user may begin.

        Raises:
            Problem: RATE_LIMIT_EXCEEDED; too many wait, or it has waited for too long.
        """
        requests = self._users.setdefault(user_id, _Requests())
        if requests.running < self.limit:
            requests.running += 1
        else:
            await self._wait(user_id, requests)
        return Slot(lambda: self._release(user_id))

    async def _wait(self, user_id: str, requests: _Requests) -> None:
        if len(requests.waiting) >= MAX_WAITING:
            raise self._crowded_out()
        own = asyncio.get_running_loop().create_future()
        requests.waiting.append(own)
        try:
            with _waiting.track_inprogress():
                async with asyncio.timeout(MAX_WAIT_SECONDS):
                    await own
        except (TimeoutError, asyncio.CancelledError) as error:
            if own.done() and not own.cancelled():  # the slot was assigned in the same moment, and nobody else has it
                self._release(user_id)
            elif own in requests.waiting:
                requests.waiting.remove(own)
            if isinstance(error, TimeoutError):
                raise self._crowded_out() from None
            raise

    def _release(self, user_id: str) -> None:
        requests = self._users[user_id]
        while requests.waiting:
            following = requests.waiting.popleft()
            if not following.done():
                following.set_result(None)
                return
        requests.running -= 1
        if not requests.running:
            del self._users[user_id]

    def _crowded_out(self) -> Problem:
        _refused.inc()
        detail = f"{self.limit} requests of this user are in progress, and too many others wait. Send fewer at once."
        return Problem(EdgeCode.RATE_LIMIT_EXCEEDED, detail)


current: ContextVar[Slot | None] = ContextVar("request_slot", default=None)


def release_slot() -> None:
    """Let the next request of the user begin, because this one waits for something from here on."""
    if slot := current.get():
        slot.release()
