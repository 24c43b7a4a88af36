"""Counts the requests of each client on the bus, and refuses those beyond the limits of their rule."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from contracts.messages import Actor
from limits import RateLimitItem
from prometheus_client import Counter
from runtime.bus import BUS_ERRORS, Unavailable
from runtime.bus.counters import Counters
from runtime.logging import get_logger
from runtime.metrics import metrics_of

from gateway.clients.rates.rules import Kind, Payer, Rule, Rules
from gateway.clients.rates.windows import Window
from gateway.problems import EdgeCode, Problem

log = get_logger()

RETENTION_SECONDS = 2 * 3600
"""How long a counter is needed: its window, of at most an hour, and the next one."""
PAUSE_SECONDS = 1.0
"""How long the bus is not asked after it has failed, so that an outage does not delay each request by a timeout."""
MAX_PREVIOUS = 20_000

_unchecked = Counter(
    "rate_limit_unchecked",
    "Requests allowed without a check, since the bus did not count them",
    registry=metrics_of("gateway"),
)
_refused = Counter("rate_limit_refused", "Requests refused by a rate limit", ["rule"], registry=metrics_of("gateway"))

type Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Requester:
    """The account that a request counts for, or the network address of a client without one."""

    payer: Payer
    id: str

    @classmethod
    def of(cls, actor: Actor) -> "Requester":
        """Return the account of an authenticated client."""
        return cls(actor.role, str(actor.user_id))


class Limiter:
    """The limits of all clients. Counters are on the bus, so replicas of the gateway enforce them together."""

    def __init__(self, counters: Counters, rules: Rules, clock: Callable[[], float] = time.time) -> None:
        self.counters, self.rules, self.clock = counters, rules, clock
        self._previous: OrderedDict[str, int] = OrderedDict()
        self._paused_until = 0.0

    async def check(self, requester: Requester, kind: Kind) -> Headers:
        """Count a request, and return the headers about the limits of its client; none if it is not counted.

        Raises:
            Problem: RATE_LIMIT_EXCEEDED. A request that is refused does not count.
        """
        rule = self.rules.find(requester.payer, kind)
        if not rule.limits:
            return []
        if time.monotonic() < self._paused_until:
            _unchecked.inc()
            return []
        try:
            windows = await self._count(requester, rule)
        except (Unavailable, *BUS_ERRORS) as error:
            log.warning("rate limits are not enforced", error=repr(error))
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            _unchecked.inc()
            return []
        if not any(window.exceeded for window in windows):
            return list(_headers(windows))
        _refused.labels(rule.name).inc()
        raise _exceeded([replace(window, current=window.current - 1) for window in windows])

    async def _count(self, requester: Requester, rule: Rule) -> Sequence[Window]:
        now, name = self.clock(), f"{rule.name}/{requester.payer}/{requester.id}"
        # Ids and addresses may hold characters that subjects must not.
        digest = blake2b(name.encode(), digest_size=16).hexdigest()
        windows = await asyncio.gather(*(self._window(digest, limit, now) for limit in rule.limits))
        if any(window.exceeded for window in windows):
            await asyncio.gather(*(self.counters.add(_key(digest, limit, now), -1) for limit in rule.limits))
        return windows

    async def _window(self, digest: str, limit: RateLimitItem, now: float) -> Window:
        seconds = limit.get_expiry()
        # One after the other: mostly the earlier count is known, and tasks would cost more than they save.
        current = await self.counters.add(_key(digest, limit, now))
        previous = await self._earlier(_key(digest, limit, now - seconds))
        return Window(limit.amount, seconds, previous, current, now)

    async def _earlier(self, key: str) -> int:
        # A window that has ended does not change any more, so one read is enough.
        value = self._previous.get(key)
        if value is None:
            value = self._previous[key] = await self.counters.get(key)
            if len(self._previous) > MAX_PREVIOUS:
                self._previous.popitem(last=False)
        return value


def _key(digest: str, limit: RateLimitItem, now: float) -> str:
    return f"{limit.get_expiry()}.{int(now // limit.get_expiry())}.{digest}"


def _headers(windows: Sequence[Window]) -> Iterator[tuple[str, str]]:
    """Yield the specification's headers, for the tightest window, and those of draft-ietf-httpapi-ratelimit-headers."""
    tightest = min(windows, key=lambda window: window.remaining)
    yield "X-RateLimit-Limit", str(tightest.limit)
    yield "X-RateLimit-Remaining", str(tightest.remaining)
    yield "X-RateLimit-Reset", str(int(tightest.now) + tightest.reset)
    yield "RateLimit-Policy", ", ".join(f'"{each.seconds}s";q={each.limit};w={each.seconds}' for each in windows)
    yield "RateLimit", ", ".join(f'"{each.seconds}s";r={each.remaining};t={each.reset}' for each in windows)


def _exceeded(windows: Sequence[Window]) -> Problem:
    seconds = max(1, *(window.retry_after for window in windows))
    detail = f"Rate limit exceeded. Please try again in {seconds} seconds."
    headers = dict(_headers(windows))
    return Problem(EdgeCode.RATE_LIMIT_EXCEEDED, detail, headers=headers, retry_after=seconds)
