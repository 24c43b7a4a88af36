"""Prometheus metrics, under the names that the specification demands."""

from functools import cache

from contracts.session.session import CountSessions
from prometheus_client import Counter, Histogram
from prometheus_client.metrics_core import CounterMetricFamily
from runtime.bus import Bus
from runtime.bus.envelope import Envelope
from runtime.metrics import Measured, Values, metrics_of

UNMATCHED = "unmatched"
"""The path label of requests that no route matches: paths that clients make up must not create series."""
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

# A counter as the API specification has it, although a number falls when sessions change status or are deleted.
_sessions = Measured(
    "sessions", "Total number of sessions", ["status"], registry=metrics_of("gateway"), family=CounterMetricFamily
)
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


async def measure_sessions(bus: Bus) -> Values:
    """Return the number of sessions by status.

    Raises:
        Unavailable: the session service does not answer.
    """
    counts = await bus.ask(CountSessions(), Envelope.begin()) or {"active": 0}
    return {_sessions: {(status,): number for status, number in counts.items()}}
