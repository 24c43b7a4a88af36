"""The clock of the database, which all replicas share, and the one of this process, which may be wrong."""

import time
from datetime import datetime, timedelta

from runtime import clock
from runtime.http.health import NotReady
from runtime.logging import get_logger

log = get_logger()

MAX_DIFFERENCE = timedelta(seconds=5)
"""A clock that differs by more is wrong: it is reported, and that of the database is used instead."""
MAX_ROUND_TRIP_SECONDS = 2.0
"""A measurement that takes longer says too little, because the time may be that of its begin or of its end."""
LOG_SECONDS = 60.0
"""Minimum time between two log entries about a clock that is wrong."""


class DatabaseClock:
    """Compares the clock of this process with that of the database, by what each `note` says about the latter."""

    def __init__(self) -> None:
        self._measured: tuple[datetime, float] | None = None
        self._logged_at = -LOG_SECONDS

    def note(self, at: datetime, asked_at: float) -> None:
        """Note that the database showed `at` some time after `asked_at`, which is a monotonic time."""
        took = time.monotonic() - asked_at
        if took > MAX_ROUND_TRIP_SECONDS:
            return
        self._measured = at, asked_at + took / 2
        if self._is_wrong() and time.monotonic() - self._logged_at >= LOG_SECONDS:
            self._logged_at = time.monotonic()
            log.error("the clocks of this machine and of the database differ", ahead_seconds=round(self._ahead(), 1))

    def now(self) -> datetime:
        """Return the time of this process, or that of the database if it differs by more than a few seconds."""
        return self._expected() if self._is_wrong() else clock.now()

    async def check(self) -> None:
        """Check that the clock of this process is right (a health check).

        Raises:
            NotReady: it is not; names the difference.
        """
        if self._is_wrong():
            ahead = self._ahead()
            order = "ahead of" if ahead > 0 else "behind"
            raise NotReady(f"the clock of this machine is {abs(ahead):,.0f} s {order} the database's: synchronize them")

    def _is_wrong(self) -> bool:
        return abs(self._ahead()) > MAX_DIFFERENCE.total_seconds()

    def _ahead(self) -> float:
        """Return how many seconds the clock of this process is ahead of that of the database."""
        return (clock.now() - self._expected()).total_seconds()

    def _expected(self) -> datetime:
        # By the monotonic clock, so that it is right as soon as the other one is set wrong.
        if self._measured is None:
            return clock.now()
        at, measured_at = self._measured
        return at + timedelta(seconds=time.monotonic() - measured_at)
