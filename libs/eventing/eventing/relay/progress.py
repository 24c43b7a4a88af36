"""How far the relay is behind the event store, and which open transaction blocks it."""

import time
from dataclasses import dataclass

from runtime.http.health import NotReady
from runtime.logging import get_logger

from eventing import metrics
from eventing.database import Reader
from eventing.store import Cursor

log = get_logger()

MAX_SILENCE_SECONDS = 30.0
"""How long the relay may fail before the service is not ready."""
MAX_LAG_SECONDS = 60.0
"""How far the relay may be behind before the service is not ready."""
LOG_LAG_SECONDS = 10.0
"""Lag from which the transaction that blocks the relay is logged."""

LAG = """
    SELECT extract(epoch FROM now() - recorded_at)::float8 FROM events
    WHERE (tx, position) > ($1::text::xid8, $2) ORDER BY tx, position LIMIT 1"""
# For other roles' sessions, PostgreSQL shows an ordinary role the name and the database, but not the start time.
BLOCKING = """
    SELECT l.pid, coalesce(a.application_name, p.gid) AS application, coalesce(a.datname, p.database) AS database,
           extract(epoch FROM now() - coalesce(a.xact_start, p.prepared))::float8 AS age
    FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
    LEFT JOIN pg_prepared_xacts AS p ON p.transaction = l.transactionid AND l.pid IS NULL
    WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
      AND l.transactionid = pg_snapshot_xmin(pg_current_snapshot())::xid"""


@dataclass(frozen=True)
class OpenTransaction:
    """The oldest open transaction in the cluster that has written; `pid` is None for a prepared one.

    `age` is in seconds; None if this role may not see it.
    """

    pid: int | None
    application: str | None
    database: str | None
    age: float | None

    def is_same(self, other: "OpenTransaction") -> bool:
        """Return whether it is the transaction that was found before, as far as this role may see."""
        return (self.pid, self.application, self.database) == (other.pid, other.application, other.database)

    def __str__(self) -> str:
        since = "" if self.age is None else f" for {self.age:.0f} s"
        owner = f"pid {self.pid}" if self.pid else "a prepared transaction"
        return f"{owner} ({self.application or 'unnamed'}, database {self.database}) has a transaction open{since}"


class Progress:
    """The progress of this process's relay, for its readiness and its gauges."""

    def __init__(self) -> None:
        self.stopped: str | None = None
        self.lag_seconds, self.blocked_by = 0.0, None
        self._logged: OpenTransaction | None = None
        self._error: Exception | None = None
        self._at = time.monotonic()

    lag_seconds: float
    blocked_by: OpenTransaction | None

    def record_success(self) -> None:
        """Record that the relay works, in this replica or in another."""
        self._at, self._error = time.monotonic(), None

    def record_failure(self, error: Exception) -> None:
        """Record that the relay failed and is restarted."""
        self._error = error

    def record_divergence(self, reason: str) -> None:
        """Record that the relay is stopped until an operator acts; log the reason the first time."""
        if reason != self.stopped:
            log.error("the relay publishes nothing", reason=reason)
        self.stopped = reason
        metrics.relay_diverged.set(1)

    def record_agreement(self) -> None:
        """Record that the database and the stream agree."""
        self.stopped = None
        metrics.relay_diverged.set(0)

    def record_standby(self) -> None:
        """Record that another replica relays; that one measures the lag."""
        self.record_success()
        self.record_agreement()
        self._set_lag(0.0, None)

    async def measure(self, reader: Reader, cursor: Cursor) -> None:
        """Measure how long the oldest unpublished event has waited, and which transaction blocks it."""
        lag = max(0.0, await reader.fetchval(LAG, str(cursor[0]), cursor[1]) or 0.0)
        row = await reader.fetchrow(BLOCKING) if lag else None
        blocking = OpenTransaction(**dict(row)) if row else None
        self._set_lag(lag, blocking)
        if lag <= LOG_LAG_SECONDS or blocking is None:
            self._logged = None
        elif self._logged is None or not blocking.is_same(self._logged):
            self._logged = blocking
            log.warning(
                "an open transaction blocks the relay",
                pid=blocking.pid,
                application=blocking.application,
                database=blocking.database,
                age=blocking.age,
                lag=lag,
            )

    def _set_lag(self, lag: float, blocking: OpenTransaction | None) -> None:
        self.lag_seconds, self.blocked_by = lag, blocking
        metrics.relay_lag.set(lag)
        metrics.relay_held_back.set((lag if blocking.age is None else blocking.age) if blocking else 0.0)

    async def check(self) -> None:
        """Check that the relay makes progress (a health check).

        Raises:
            NotReady: it is stopped, fails, or is too far behind.
        """
        silence = time.monotonic() - self._at
        if self.stopped:
            raise NotReady(self.stopped)
        if silence > MAX_SILENCE_SECONDS:
            error = f"{type(self._error).__name__}: {self._error}"
            raise NotReady(f"the relay has made no progress for {silence:.0f} s: {error}")
        if self.lag_seconds > MAX_LAG_SECONDS:
            blocked = f": {self.blocked_by}" if self.blocked_by else ""
            raise NotReady(f"the relay is {self.lag_seconds:.0f} s behind{blocked}")
