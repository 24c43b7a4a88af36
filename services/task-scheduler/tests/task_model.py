"""A plain model of a task, independent of the service: ticks by arithmetic, overlaps by lists."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from contracts.task_scheduler.values import OverlapPolicy

from .memory_desk import NOON

BOUND = 50
OVER = {"completed", "failed", "cancelled", "skipped", "missed", "timed_out"}


@dataclass(frozen=True)
class Clockwork:
    """A schedule that fires every `minutes`, in a time zone that is `offset` minutes ahead of UTC all year."""

    cron: str
    zone: str
    minutes: int
    offset: int = 0

    def after(self, instant: datetime) -> datetime:
        """Return the first tick after an instant."""
        period, shift = timedelta(minutes=self.minutes), timedelta(minutes=self.offset)
        origin = NOON.replace(hour=0) - shift
        return origin + ((instant - origin) // period + 1) * period


CLOCKWORKS = [
    Clockwork("@hourly", "UTC", 60),
    Clockwork("*/15 * * * *", "UTC", 15),
    Clockwork("0 */6 * * *", "Asia/Kolkata", 360, 330),
    Clockwork("@daily", "Asia/Kathmandu", 1440, 345),
]


@dataclass
class TaskModel:
    """The expected statuses of all executions, and the expected next tick."""

    policy: OverlapPolicy
    clockwork: Clockwork
    pauses: bool
    retries: int
    window: timedelta
    paused: bool = False
    deleted: bool = False
    last: datetime | None = None
    next: datetime | None = None
    active: list[UUID] = field(default_factory=list[UUID])
    waiting: list[UUID] = field(default_factory=list[UUID])
    statuses: dict[UUID, str] = field(default_factory=dict[UUID, str])
    attempts: dict[UUID, int] = field(default_factory=dict[UUID, int])
    limits: dict[UUID, int] = field(default_factory=dict[UUID, int])

    def continue_after(self, now: datetime) -> None:
        """A new, changed or resumed schedule continues."""
        if not self.paused:
            self.next = self.clockwork.after(now)

    def pause(self) -> None:
        """The task is paused."""
        self.paused, self.next = True, None

    def tick(self, now: datetime, id_of: Callable[[datetime], UUID]) -> bool:
        """Ticks are processed; return whether one was due."""
        start, late = self.last, timedelta()
        for n in range(101):
            if self.next is None or self.next > now:
                break
            if n == 100:
                if late > self.window:  # no more missed ticks are recorded
                    oldest = now - self.window - timedelta(seconds=1)
                    self.next = max(self.next, self.clockwork.after(oldest))
                break
            id, late = id_of(self.next), now - self.next
            self.last, self.next = max(self.next, self.last or self.next), self.clockwork.after(self.next)
            if id in self.statuses:  # processed before the clock was set back
                continue
            self.create(id)
            if late > self.window:
                self.statuses[id] = "missed"
            else:
                self.admit(id)
        return self.last != start

    def create(self, id: UUID) -> None:
        """An execution is created."""
        self.statuses[id], self.attempts[id], self.limits[id] = "pending", 0, self.retries

    def is_busy(self) -> bool:
        """Return whether a new execution would be skipped."""
        waiting, active = len(self.waiting), len(self.active)
        bounds = {"skip": active >= 1, "queue_one": waiting >= 1, "queue_all": waiting >= BOUND}
        return {**bounds, "allow": active >= BOUND, "cancel_running": False}[self.policy]

    def admit(self, id: UUID) -> None:
        """A new execution starts, waits or is skipped."""
        if self.is_busy():
            self.statuses[id] = "skipped"
            return
        if self.policy == "cancel_running":
            for other in [*self.active, *self.waiting]:
                self.statuses[other] = "cancelled"
            self.active, self.waiting = [], []
        self.waiting.append(id)
        self.fill()

    def fill(self) -> None:
        """Executions that wait start while slots are free."""
        while self.waiting and len(self.active) < (BOUND if self.policy == "allow" else 1):
            self.active.append(self.waiting.pop(0))
            self.start(self.active[-1])

    def start(self, id: UUID) -> None:
        """An attempt starts."""
        self.statuses[id], self.attempts[id] = "running", self.attempts[id] + 1

    def end_attempt(self, id: UUID, attempt: int, failure: str | None) -> None:
        """An attempt ends: well, with a final failure, or with one that is retried."""
        if self.statuses[id] != "running" or self.attempts[id] != attempt:
            return
        if failure == "retryable" and attempt <= self.limits[id]:
            self.statuses[id] = "pending"
        else:
            self.end(id, "failed" if failure else "completed")

    def awaits_attempt(self, id: UUID) -> bool:
        """Return whether the next attempt of an execution has to be started."""
        return self.statuses[id] == "pending" and self.attempts[id] > 0

    def end(self, id: UUID, status: str) -> None:
        """An execution ends, if it has not ended before."""
        if self.statuses[id] in OVER:
            return
        self.statuses[id] = status
        self.active = [each for each in self.active if each != id]
        self.waiting = [each for each in self.waiting if each != id]
        if self.pauses and status in ("failed", "timed_out") and not self.paused:
            self.pause()
        self.fill()

    def delete(self) -> None:
        """The task is deleted."""
        for id in [*self.active, *self.waiting]:
            self.statuses[id] = "cancelled"
        self.deleted, self.active, self.waiting, self.next = True, [], [], None
