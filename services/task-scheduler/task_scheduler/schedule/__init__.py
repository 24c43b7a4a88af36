"""Schedules: the instants ("ticks") at which a cron expression fires in a time zone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from task_scheduler.schedule.cron import Cron
from task_scheduler.schedule.wall_clock import WallClock

REFERENCE = datetime(2024, 1, 1, tzinfo=UTC)
"""An expression is valid if it fires after this instant: a fixed one, so that the answer depends on no clock."""
MICROSECOND = timedelta(microseconds=1)


class Schedule:
    """A cron expression and the time zone whose wall clock it refers to.

    Changes of the clock are handled as in Debian's cron. An expression for set times (neither minute nor hour begin
    with `*`) fires right after the gap if its time is skipped, and the first time only if its time is repeated. Any
    other expression fires whenever the clock shows a time that matches.
    """

    def __init__(self, cron: str, timezone: str) -> None:
        """Parse the expression.

        Raises:
            ValueError: the message begins with the wrong field, `schedule_cron` or `schedule_timezone`.
        """
        self.cron, self.timezone = cron, timezone
        self._cron, self._clock = Cron.parse(cron), WallClock.of(timezone)
        self.next_after(REFERENCE)

    def next_after(self, instant: datetime) -> datetime:
        """Return the first tick after `instant`, in UTC; both are between the years 2 and 9900.

        Raises:
            ValueError: the expression does not fire within 50 years.
        """
        tick = self._next(self._clock.show(instant).replace(tzinfo=None), instant)
        if not self._cron.has_set_times and (repeated := self._clock.repeated_at(instant)):
            # The clock is about to be set back to the time that it shows now, or earlier.
            tick = min(tick, self._next(self._clock.show(instant).replace(tzinfo=None) - repeated, instant))
        return tick

    def ticks(self, after: datetime, until: datetime, limit: int) -> Iterator[datetime]:
        """Yield the first `limit` ticks after `after`, up to and including `until`. Raises as `next_after` does."""
        tick = after
        for _ in range(limit):
            tick = self.next_after(tick)
            if tick > until:
                return
            yield tick

    def due_at(self, task_id: UUID, tick: datetime, jitter_seconds: float) -> datetime:
        """Return when a tick of a task is due: up to `jitter_seconds` later, and before the next tick.

        The delay is the same for the same task and tick. It spreads the load of tasks with the same schedule.
        """
        if not jitter_seconds:
            return tick
        limit = min(timedelta(seconds=jitter_seconds), self.next_after(tick) - tick) // MICROSECOND
        fraction = int.from_bytes(sha256(f"{task_id} {tick.timestamp():.0f}".encode()).digest()[:8])
        return tick + limit * fraction // 2**64 * MICROSECOND

    def _next(self, wall: datetime, instant: datetime) -> datetime:
        for time in self._cron.times_after(wall):
            for tick in self._ticks_at(time):
                if tick > instant:
                    return tick
        raise ValueError(f"schedule_cron: {self.cron!r} never fires")

    def _ticks_at(self, time: datetime) -> list[datetime]:
        instants = self._clock.instants(time)
        return (instants[:1] or self._clock.after_gap(time)) if self._cron.has_set_times else instants
