"""Prometheus metrics, under the names that the specification demands."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache

from contracts.refusals import Refusal
from contracts.session.session import CountSessions
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from runtime.bus import Bus, Unavailable
from runtime.bus.envelope import Envelope
from runtime.metrics import exposition, metrics_of

UNMATCHED = "unmatched"
"""The path label of requests that no route matches: paths that clients make up must not create series."""
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
COUNT_TIMEOUT_SECONDS, MAX_AGE_SECONDS = 1.0, 10.0

_requests = Counter("api_requests", "Total API requests", ["method", "path"], registry=metrics_of("gateway"))
_duration = Histogram(
    "api_request_duration_seconds",
    "Duration of requests, in seconds",
    ["method", "path", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900),
    registry=metrics_of("gateway"),
)
_tool_calls = Counter(
    "mcp_tool_calls", "Total calls of tools by MCP clients", ["tool", "outcome"], registry=metrics_of("gateway")
)

lost_audit_entries = Counter(
    "audit_entries_lost",
    "Refusals and changes that could not be reported to the audit log",
    registry=metrics_of("gateway"),
)


def count_tool_call(tool: str, outcome: str) -> None:
    """Count a call of a tool of the MCP server; the outcome is `OK`, or the code of a problem."""
    _tool_calls.labels(tool, outcome).inc()


def count(method: str, path: str, status: int, seconds: float) -> None:
    """Count a request that has ended."""
    total, duration = _series(method if method in METHODS else "OTHER", path, status)
    total.inc()
    duration.observe(seconds)


@cache
def _series(method: str, path: str, status: int) -> tuple[Counter, Histogram]:
    return _requests.labels(method, path), _duration.labels(method, path, str(status))


class SessionTotals:
    """The number of sessions by status, queried at most every 10 s, however many scrapers there are."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self._queried_at, self._counts = -MAX_AGE_SECONDS, dict[str, int]()
        self._lock = asyncio.Lock()

    async def exposition(self) -> bytes:
        """Return all metrics as text, without those of sessions if the session service does not answer."""
        sessions = CollectorRegistry()
        sessions.register(_Sessions(await self._current()))
        return await exposition("gateway") + generate_latest(sessions)

    async def _current(self) -> dict[str, int]:
        async with self._lock:
            if time.monotonic() - self._queried_at >= MAX_AGE_SECONDS:
                self._counts = await self._query()
                self._queried_at = time.monotonic()
        return self._counts

    async def _query(self) -> dict[str, int]:
        with suppress(Unavailable, Refusal, TimeoutError):
            async with asyncio.timeout(COUNT_TIMEOUT_SECONDS):
                return await self.bus.ask(CountSessions(), Envelope.begin()) or {"active": 0}
        return {}


class _Sessions(Collector):
    def __init__(self, by_status: Mapping[str, int]) -> None:
        self.by_status = by_status

    def collect(self) -> Iterator[CounterMetricFamily]:
        # A counter as the API specification has it, although a number falls when sessions change status or are deleted.
        family = CounterMetricFamily("sessions", "Total number of sessions", labels=["status"])
        for status, number in sorted(self.by_status.items()):
            family.add_metric([status], number)
        yield family
