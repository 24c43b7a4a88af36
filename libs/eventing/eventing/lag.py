"""How far the relay is behind, and who holds it back."""

import time
from dataclasses import dataclass

from runtime.health import NotReady
from runtime.logging import get_logger

from eventing import metrics
from eventing.places import Reader
from eventing.store import Cursor

log = get_logger()

PATIENCE = 30.0
"""Seconds for which the relay may fail until the service is not ready."""
LATE = 60.0
"""Seconds which the relay may be behind until the service is not ready."""
TOLD_AFTER = 10.0

BEHIND = """
    SELECT extract(epoch FROM now() - recorded_at)::float8 FROM events
    WHERE (tx, position) > ($1::text::xid8, $2) ORDER BY tx, position LIMIT 1"""
# Of sessions of others, PostgreSQL shows an ordinary role the name and the database, but not since when.
HOLDER = """
    SELECT l.pid, coalesce(a.application_name, p.gid) AS application, coalesce(a.datname, p.database) AS database,
           extract(epoch FROM now() - coalesce(a.xact_start, p.prepared))::float8 AS age
    FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
    LEFT JOIN pg_prepared_xacts AS p ON p.transaction = l.transactionid AND l.pid IS NULL
    WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
      AND l.transactionid = pg_snapshot_xmin(pg_current_snapshot())::xid"""


@dataclass(frozen=True)
class Holder:
    """The oldest transaction that is open and has written, anywhere in the cluster; a prepared one has no `pid`."""

    pid: int | None
    application: str | None
    database: str | None
    age: float | None

    def __str__(self) -> str:
        since = "" if self.age is None else f" for {self.age:.0f} s"
        whose = f"pid {self.pid}" if self.pid else "a prepared transaction"
        return f"{whose} ({self.application or 'unnamed'}, database {self.database}) has a transaction open{since}"


class Progress:
    """Whether the relay of this process gets on: what its readiness says, and the gauges."""

    def __init__(self) -> None:
        self.stopped: str | None = None
        self.behind, self.holder = 0.0, None
        self._error: Exception | None = None
        self._at = time.monotonic()

    behind: float
    holder: Holder | None

    def went_on(self) -> None:
        """Note that it works, or that another replica does."""
        self._at, self._error = time.monotonic(), None

    def failed(self, error: Exception) -> None:
        """Note that it failed, and is started again."""
        self._error = error

    def stop(self, reason: str) -> None:
        """Note that it stands still until somebody mends what is wrong; log it the first time."""
        if reason != self.stopped:
            log.error("the relay publishes nothing", reason=reason)
        self.stopped = reason
        metrics.relay_diverged.set(1)

    def agree(self) -> None:
        """Note that database and stream agree."""
        self.stopped = None
        metrics.relay_diverged.set(0)

    def stand_by(self) -> None:
        """Note that another replica relays: it measures."""
        self.went_on()
        self.agree()
        self._measured(0.0, None)

    async def measure(self, reader: Reader, cursor: Cursor) -> None:
        """Find out how long the oldest event waits that was not published, and why."""
        behind = max(0.0, await reader.fetchval(BEHIND, str(cursor[0]), cursor[1]) or 0.0)
        row = await reader.fetchrow(HOLDER) if behind else None
        known, self.holder = self.holder, None
        self._measured(behind, Holder(**dict(row)) if row else None)
        if self.holder and behind > TOLD_AFTER and (known is None or known.pid != self.holder.pid):
            told = {"pid": self.holder.pid, "application": self.holder.application, "database": self.holder.database}
            log.warning("an open transaction holds the relay back", age=self.holder.age, behind=behind, **told)

    def _measured(self, behind: float, holder: Holder | None) -> None:
        self.behind, self.holder = behind, holder
        metrics.relay_lag.set(behind)
        metrics.relay_held_back.set((behind if holder.age is None else holder.age) if holder else 0.0)

    async def check(self) -> None:
        """Raise when the relay does not get on (a health check).

        Raises:
            NotReady: it stands still, fails, or is too far behind.
        """
        silence = time.monotonic() - self._at
        if self.stopped:
            raise NotReady(self.stopped)
        if silence > PATIENCE:
            raise NotReady(f"the relay has not got on for {silence:.0f} s: {type(self._error).__name__}: {self._error}")
        if self.behind > LATE:
            raise NotReady(f"the relay is {self.behind:.0f} s behind" + (f": {self.holder}" if self.holder else ""))
