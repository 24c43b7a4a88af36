"""What is counted, under the names of the specification."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache

from contracts.refusals import Refusal
from contracts.session.queries import CountSessions
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from runtime.bus import Bus, Unavailable
from runtime.envelope import Envelope

UNMATCHED = "unmatched"
"""The path label of all requests that no route takes: whatever clients make up is one series."""
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
COUNT_TIMEOUT = 1.0

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


async def exposition(bus: Bus) -> bytes:
    """Write all metrics down; those about sessions are left out when the session service does not answer."""
    sessions = CollectorRegistry()
    sessions.register(_Sessions(await _counted(bus)))
    return generate_latest(REGISTRY) + generate_latest(sessions)


async def _counted(bus: Bus) -> dict[str, int]:
    with suppress(Unavailable, Refusal, TimeoutError):
        async with asyncio.timeout(COUNT_TIMEOUT):
            return await bus.ask(CountSessions(), Envelope.begin())
    return {}


class _Sessions(Collector):
    def __init__(self, by_status: Mapping[str, int]) -> None:
        self.by_status = by_status

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily("sessions", "Total number of sessions", labels=["status"])
        for status, number in sorted(self.by_status.items()):
            family.add_metric([status], number)
        yield family
