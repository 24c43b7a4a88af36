"""Schedules: which expressions are accepted, when they fire, and how jitter delays them."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from task_scheduler.schedule import Schedule
from task_scheduler.schedule.cron_fields import FIELDS, Field

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
FAR = datetime(2200, 1, 1, tzinfo=UTC)
TASK = UUID("0197a1f0-0000-7000-8000-00000000000a")
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia"]


@pytest.mark.parametrize(
    ("cron", "error"),
    [
        ("61 * * * *", "minute must be 0 to 59, got 61"),
        ("* 24 * * *", "hour must be 0 to 23, got 24"),
        ("* * 0 * *", "day of month must be 1 to 31, got 0"),
        ("* * * FOO *", "month must be 1 to 12 or JAN to DEC, got FOO"),
        ("* * * * 8", "day of week must be 0 to 7 or SUN to SAT, got 8"),
        ("* * L * *", "day of month must be 1 to 31, got L"),
        ("* * * * 5#2", "day of week must be *, a number, a range (1-5), a step (*/5) or a list of these, got '5#2'"),
        ("1,,2 * * * *", "minute must be *, a number, a range (1-5), a step (*/5) or a list of these, got ''"),
        ("\u0661 * * * *", "minute must be *, a number, a range (1-5), a step (*/5) or a list of these, got '\u0661'"),
        ("* * * * FRI-MON", "day of week must not have the range FRI-MON, which runs backwards"),
        ("*/0 * * * *", "minute must have steps of at least 1, got */0"),
        ("5/15 * * * *", "minute must have a range before a step, such as 5-59/15, got 5/15"),
        ("* * * *", "5 fields are needed (minute, hour, day of month, month, day of week), got 4"),
        ("0 * * * * *", "5 fields are needed (minute, hour, day of month, month, day of week), got 6"),
        ("", "5 fields are needed (minute, hour, day of month, month, day of week), got 0"),
        ("@reboot", "@reboot is not one of the nicknames @hourly, @daily, @midnight, @weekly, @monthly, @yearly,"),
        ("0 0 30 2 *", "'0 0 30 2 *' never fires"),
        ("0 0 31 2,4,6 *", "'0 0 31 2,4,6 *' never fires"),
        ("0 " * 101, "at most 200 characters are allowed, got 202"),
    ],
)
def test_an_invalid_expression_is_rejected_with_the_reason(cron: str, error: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011  the message is compared
        Schedule(cron, "UTC")
    assert str(raised.value).startswith(f"schedule_cron: {error}")


@pytest.mark.parametrize("name", ["", "Europe/Atlantis", "europe/berlin", "../zones", "Europe", "localtime", "a" * 99])
def test_an_unknown_time_zone_is_rejected(name: str) -> None:
    with pytest.raises(ValueError, match=r"^schedule_timezone: there is no time zone '.{0,50}'; use a name such as"):
        Schedule("@daily", name)


def test_an_expression_whose_times_the_zone_always_skips_is_rejected() -> None:
    always_skipped = "* 2 25-31 3 */7"
    assert Schedule(always_skipped, "UTC")
    with pytest.raises(ValueError, match="never fires"):
        Schedule(always_skipped, "Europe/Berlin")


@pytest.mark.parametrize(
    ("nickname", "tick"),
    [
        ("@hourly", datetime(2026, 11, 26, 13, tzinfo=UTC)),
        ("@daily", datetime(2026, 11, 27, tzinfo=UTC)),
        ("@midnight", datetime(2026, 11, 27, tzinfo=UTC)),
        ("@weekly", datetime(2026, 11, 29, tzinfo=UTC)),
        ("@monthly", datetime(2026, 12, 1, tzinfo=UTC)),
        ("@yearly", datetime(2027, 1, 1, tzinfo=UTC)),
        ("@annually", datetime(2027, 1, 1, tzinfo=UTC)),
        (" @Daily ", datetime(2026, 11, 27, tzinfo=UTC)),
    ],
)
def test_nicknames_fire_at_the_beginning_of_their_period(nickname: str, tick: datetime) -> None:
    assert Schedule(nickname, "UTC").next_after(NOON) == tick


def test_the_rarest_expression_is_found() -> None:
    sunday_29_february = Schedule("0 0 29 2 */7", "UTC")
    assert sunday_29_february.next_after(datetime(2089, 1, 1, tzinfo=UTC)) == datetime(2128, 2, 29, tzinfo=UTC)


def test_a_tick_is_after_the_given_instant_and_in_utc() -> None:
    tick = Schedule("0 13 * * *", "Europe/Berlin").next_after(NOON)
    assert (tick, tick.tzinfo) == (NOON + timedelta(days=1), UTC)


def test_ticks_end_with_the_period_or_the_limit() -> None:
    hourly, two_hours = Schedule("@hourly", "UTC"), NOON + timedelta(hours=2)
    assert list(hourly.ticks(NOON, two_hours, 100)) == [NOON + timedelta(hours=1), two_hours]
    assert list(hourly.ticks(NOON, FAR, 1)) == [NOON + timedelta(hours=1)]


def test_the_delay_of_a_tick_depends_on_task_and_tick_only() -> None:
    schedule, later = Schedule("@hourly", "UTC"), NOON + timedelta(hours=1)
    assert schedule.due_at(TASK, NOON, 600) == schedule.due_at(TASK, NOON, 600)
    delays = {schedule.due_at(id, tick, 600) - tick for id in (TASK, UUID(int=1)) for tick in (NOON, later)}
    assert len(delays) == 4


def test_without_jitter_a_tick_is_due_immediately() -> None:
    assert Schedule("@hourly", "UTC").due_at(TASK, NOON, 0) == NOON


def test_delays_are_spread_evenly() -> None:
    schedule = Schedule("@hourly", "UTC")
    delays = [(schedule.due_at(UUID(int=n), NOON, 600) - NOON).total_seconds() for n in range(1_000)]
    assert 280 < sum(delays) / 1_000 < 320
    assert (min(delays) < 10, max(delays) > 590) == (True, True)


def terms(field: Field) -> st.SearchStrategy[str]:
    """Return terms of one field: `*`, a value or a range, with or without a step."""
    values = st.integers(field.first, field.last)
    ranges = st.tuples(values, values).map(lambda pair: f"{min(pair)}-{max(pair)}")
    stepped = st.tuples(ranges | st.just("*"), st.integers(1, 70)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    return st.just("*") | values.map(str) | ranges | stepped


def _schedule_or_none(parts: tuple[str, ...], zone: str) -> Schedule | None:
    try:
        return Schedule(" ".join(parts), zone)
    except ValueError:  # it never fires
        return None


fields = st.tuples(*(st.lists(terms(field), min_size=1, max_size=3).map(",".join) for field in FIELDS))
schedules = st.builds(_schedule_or_none, fields, st.sampled_from(ZONES)).filter(bool)
instants = st.floats(1.1e9, 2.2e9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(schedules, instants)
def test_ticks_increase_and_fall_on_whole_minutes(schedule: Schedule, instant: datetime) -> None:
    ticks = [instant, *schedule.ticks(instant, FAR, 20)]
    assert all(earlier < later for earlier, later in pairwise(ticks))
    assert all((tick.second, tick.microsecond) == (0, 0) for tick in ticks[1:])


@given(schedules, instants, st.floats(0, 1))
def test_no_tick_lies_between_an_instant_and_its_next_tick(
    schedule: Schedule, instant: datetime, fraction: float
) -> None:
    tick = schedule.next_after(instant)
    between = instant + (tick - timedelta(microseconds=1) - instant) * fraction
    assert schedule.next_after(between) == tick


@given(schedules, instants, st.uuids(), st.floats(0, 1e6))
def test_jitter_keeps_the_order_of_ticks(schedule: Schedule, instant: datetime, task_id: UUID, jitter: float) -> None:
    tick = schedule.next_after(instant)
    assert tick <= schedule.due_at(task_id, tick, jitter) < schedule.next_after(tick)
