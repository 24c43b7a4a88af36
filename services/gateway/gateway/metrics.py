"""What is counted, under the names of the specification."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache

from contracts.refusals import Refusal
from contracts.session.session import CountSessions
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from runtime.bus import Bus, Unavailable
from runtime.envelope import Envelope

UNMATCHED = "unmatched"
"""The path label of all requests that no route takes: whatever clients make up is one series."""
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
COUNT_TIMEOUT, FRESH_FOR = 1.0, 10.0

_requests = Counter("api_requests", "Total API requests", ["method", "path"])
_duration = Histogram(
    "api_request_duration_seconds",
    "How long requests took",
    ["method", "path", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900),
)


def count(method: str, path: str, status: int, seconds: float) -> None:
    """Count a request that is over."""
    total, duration = _series(method if method in METHODS else "OTHER", path, status)
    total.inc()
    duration.observe(seconds)


@cache
def _series(method: str, path: str, status: int) -> tuple[Counter, Histogram]:
    return _requests.labels(method, path), _duration.labels(method, path, str(status))


class SessionTotals:
    """How many sessions are in each status: asked for at most every 10 s, whoever scrapes and however often."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self._asked, self._known = -FRESH_FOR, dict[str, int]()
        self._asking = asyncio.Lock()

    async def exposition(self) -> bytes:
        """Return all metrics as text; those of sessions are left out when the session service did not answer."""
        sessions = CollectorRegistry()
        sessions.register(_Sessions(await self._fresh()))
        return generate_latest(REGISTRY) + generate_latest(sessions)

    async def _fresh(self) -> dict[str, int]:
        async with self._asking:
            if time.monotonic() - self._asked >= FRESH_FOR:
                self._known = await self._counted()
                self._asked = time.monotonic()
        return self._known

    async def _counted(self) -> dict[str, int]:
        with suppress(Unavailable, Refusal, TimeoutError):
            async with asyncio.timeout(COUNT_TIMEOUT):
                return await self.bus.ask(CountSessions(), Envelope.begin())
        return {}


class _Sessions(Collector):
    def __init__(self, by_status: Mapping[str, int]) -> None:
        self.by_status = by_status

    def collect(self) -> Iterator[GaugeMetricFamily]:
        # A gauge, whatever its name: it falls when sessions change their status or are deleted.
        family = GaugeMetricFamily("sessions_total", "Total number of sessions", labels=["status"])
        for status, number in sorted(self.by_status.items()):
            family.add_metric([status], number)
        yield family
