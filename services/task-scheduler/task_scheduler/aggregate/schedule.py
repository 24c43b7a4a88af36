"""The decisions of a Task about its schedule."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import assert_never

from contracts.messages import Failure
from contracts.refusals import Code, Refusal
from contracts.task_scheduler.task import ScheduleAdvanced, ScheduleEvent
from contracts.task_scheduler.values import TaskDefinition

from task_scheduler.aggregate.state import State
from task_scheduler.schedule import Schedule

MAX_TICKS = 100
"""Ticks that are processed at once. If more are due, the next due time lies in the past.

Also the number of missed ticks that are recorded after an outage: a schedule of each minute would have 10,000 a week,
and all schedules would be late until those of all tasks are recorded.
"""
MIN_CATCH_UP = timedelta(seconds=60)
"""A tick with a smaller delay is never missed: after a crash, another replica processes it 20 s late."""
ANY_CRON = "@daily"
MAX_PARSED = 1_000

_parsed = lru_cache(MAX_PARSED)(Schedule)
"""Schedules that were used recently: many tasks have the same one, and each of its ticks needs it."""


@dataclass(frozen=True)
class DueTick:
    """A tick whose time has come; `missed` is the reason if that was too long ago.

    `known` is true if it may have been processed before.
    """

    tick: datetime
    missed: Failure | None
    known: bool


def _schedule_of(definition: TaskDefinition) -> Schedule:
    return _parsed(definition.schedule_cron or ANY_CRON, definition.schedule_timezone)


def parse_schedule(definition: TaskDefinition) -> Schedule:
    """Return the schedule of a task; if it has no cron expression, any one in its time zone.

    Raises:
        Refusal: INVALID_SCHEDULE, INVALID_TIMEZONE; the detail begins with the name of the field.
    """
    if definition.is_scheduled and definition.schedule_cron is None:
        raise Refusal(Code.INVALID_SCHEDULE, "schedule_cron: required while is_scheduled is true.")
    try:
        return _schedule_of(definition)
    except ValueError as error:
        zone = str(error).startswith("schedule_timezone")
        raise Refusal(Code.INVALID_TIMEZONE if zone else Code.INVALID_SCHEDULE, f"{error}.") from None


class Scheduling(State):
    """The ticks of a task's schedule.

    A new, changed or resumed schedule always continues after the present time. After a clock that was ahead, that may
    be before ticks that were processed: the ids of executions derive from their ticks, so none is executed twice.
    """

    def advance_schedule(self, now: datetime) -> list[DueTick]:
        """Return the ticks that are due, at most `MAX_TICKS`, and record that they are processed.

        Records nothing if none is due, or the task is paused.

        Raises:
            ValueError: the time zone was removed by a later release. This is no Refusal, which would end the schedule:
                the command is repeated until the zone is available again, or the task is changed.
        """
        if self.next_tick is None:
            return []
        schedule, ticks, tick = _schedule_of(self.definition), list[DueTick](), self.next_tick
        while len(ticks) < MAX_TICKS and (due_at := self._due_at(schedule, tick)) <= now:
            known = self.last_tick is not None and tick <= self.last_tick
            ticks.append(DueTick(tick, self._missed(now - due_at), known))
            tick = schedule.next_after(tick)
        if ticks:
            if len(ticks) == MAX_TICKS and ticks[-1].missed:
                tick = max(tick, self._first_in_time(schedule, now))
            due_at = self._due_at(schedule, tick)
            self.record(ScheduleAdvanced(tick=ticks[-1].tick, next_tick=tick, next_due_at=due_at))
        return ticks

    def _first_tick(self, definition: TaskDefinition, now: datetime) -> datetime | None:
        """Return the next tick of a new or changed schedule, or after a pause; None if the task has no schedule."""
        schedule = parse_schedule(definition)
        if not definition.is_scheduled:
            return None
        return schedule.next_after(now)

    def _next_due_at(self, definition: TaskDefinition, tick: datetime | None) -> datetime | None:
        return parse_schedule(definition).due_at(self.id, tick, definition.jitter_seconds) if tick else None

    def _due_at(self, schedule: Schedule, tick: datetime) -> datetime:
        return schedule.due_at(self.id, tick, self.definition.jitter_seconds)

    def _first_in_time(self, schedule: Schedule, now: datetime) -> datetime:
        """Return the first tick that is not missed, or one a little before it."""
        return schedule.next_after(now - self._catch_up - timedelta(seconds=self.definition.jitter_seconds + 1))

    @property
    def _catch_up(self) -> timedelta:
        return max(timedelta(seconds=self.definition.catch_up_window_seconds), MIN_CATCH_UP)

    def _missed(self, delay: timedelta) -> Failure | None:
        window = self.definition.catch_up_window_seconds
        if delay <= self._catch_up:
            return None
        late = f"The tick was processed {delay.total_seconds():,.0f} s late; catch_up_window_seconds is {window}."
        return Failure(error_code=Code.CATCH_UP_WINDOW_PASSED, error_detail=late)

    def apply_schedule(self, event: ScheduleEvent) -> None:
        """Fold one event of the schedule."""
        match event:
            case ScheduleAdvanced():
                self.last_tick, self.next_tick = max(event.tick, self.last_tick or event.tick), event.next_tick
            case _:
                assert_never(event)
