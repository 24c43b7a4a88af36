"""How many streams each user has open, over all gateways, which enforce one limit together."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from weakref import WeakValueDictionary

import prometheus_client
from contracts.messages import Actor
from runtime.bus import BUS_ERRORS, Unavailable
from runtime.bus.holdings import Holdings, Taken
from runtime.logging import get_logger
from runtime.metrics import metrics_of

from gateway.clients.rates.stream_limits import StreamLimits
from gateway.problems import EdgeCode, Problem

log = get_logger()

RENEW_SECONDS = 5.0
EXPIRY_SECONDS = 4 * RENEW_SECONDS
"""After this time, the streams of a gateway that was killed do not count any more."""
PAUSE_SECONDS = 1.0
"""How long the bus is not asked after it has failed, so that an outage does not delay each stream by a timeout."""
MAX_ATTEMPTS = 100
"""Each failed attempt means that another gateway opened, closed or renewed streams of the same user meanwhile."""
RETRY_AFTER_SECONDS = 10
"""`Retry-After` for a user who has too many streams."""

_unchecked = prometheus_client.Counter(
    "open_streams_unchecked",
    "Streams opened without a check against other gateways, since the bus did not answer",
    registry=metrics_of("gateway"),
)
_open = prometheus_client.Gauge("streams_open", "Streams open at this gateway", registry=metrics_of("gateway"))


class OpenStreams:
    """The streams that users have open at this gateway, recorded on the bus for the other ones.

    If the bus does not answer, a user may open as many streams at this gateway as the limit allows in total.
    """

    def __init__(self, holdings: Holdings, limits: StreamLimits) -> None:
        self.holdings, self.limits = holdings, limits
        self._held = Counter[str]()
        self._taken = dict[str, Taken]()
        """What the streams of users were after the last change by this gateway. If it is outdated, the bus refuses the
        next change. Each renewal removes it, so that nothing is kept of users who have closed their streams."""
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._changed, self._wake = set[str](), asyncio.Event()
        self._paused_until = self._renew_at = 0.0

    @asynccontextmanager
    async def one(self, actor: Actor) -> AsyncGenerator[None]:
        """Count one more stream of a user while the context is open.

        Raises:
            Problem: TOO_MANY_STREAMS, the user has reached the limit.
        """
        user_id = str(actor.user_id)
        async with self._locks.setdefault(user_id, asyncio.Lock()):
            await self._open(user_id, self.limits.of(actor.role))
        try:
            with _open.track_inprogress():
                yield
        finally:
            self._close(user_id)

    async def keep(self) -> None:
        """Record streams that were closed at once, and all streams every `RENEW_SECONDS`; to be run repeatedly."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0, self._renew_at - time.monotonic())):
                await self._wake.wait()
        if time.monotonic() >= self._renew_at:
            self._renew_at = time.monotonic() + RENEW_SECONDS
            self._changed.update(self._held)
        await self.record()

    async def record(self) -> None:
        """Record the changes that were not recorded yet."""
        self._wake.clear()
        while self._changed:
            user_id = self._changed.pop()
            self._taken.pop(user_id, None)  # the revision of a renewal is not known
            await self.holdings.renew(user_id, self._held[user_id])

    async def _open(self, user_id: str, limit: int) -> None:
        allowed = False
        self._held[user_id] += 1  # before the bus is asked, so that `record` cannot replace it by a smaller number
        try:
            allowed = self._held[user_id] <= limit and await self._allowed(user_id, limit)
        finally:
            if not allowed:
                self._close(user_id)
        if not allowed:
            detail = f"You have {limit} open streams, which is the limit. Close one and try again."
            raise Problem(EdgeCode.TOO_MANY_STREAMS, detail, retry_after=RETRY_AFTER_SECONDS)

    def _close(self, user_id: str) -> None:
        self._held[user_id] -= 1
        if not self._held[user_id]:
            del self._held[user_id]
        self._changed.add(user_id)
        self._wake.set()

    async def _allowed(self, user_id: str, limit: int) -> bool:
        if time.monotonic() >= self._paused_until:
            try:
                return await self._take(user_id, limit)
            except (Unavailable, *BUS_ERRORS) as error:
                log.warning("open streams are not counted over gateways", error=repr(error))
                self._paused_until = time.monotonic() + PAUSE_SECONDS
        _unchecked.inc()
        return True

    async def _take(self, user_id: str, limit: int) -> bool:
        for _ in range(MAX_ATTEMPTS):
            known = self._taken.pop(user_id, None)
            taken = known or await self.holdings.read(user_id)
            if taken.by_others + self._held[user_id] > limit:
                if known:  # what others held may have expired
                    continue
                return False
            revision = await self.holdings.take(user_id, self._held[user_id], taken.revision)
            if revision is not None:
                self._taken[user_id] = Taken(taken.by_others, revision)
                return True
        return False
