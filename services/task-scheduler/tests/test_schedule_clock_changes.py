"""Schedules when the wall clock is changed: they behave as Debian's cron, by the rules of its manual page cron(8)."""

from datetime import UTC, datetime, timedelta

import pytest
from task_scheduler.schedule import Schedule

FAR = datetime(2200, 1, 1, tzinfo=UTC)


def on(cron: str, zone: str, day: str) -> list[str]:
    """Return the UTC times at which an expression fires in the 24 hours from `day` (an instant)."""
    start = datetime.fromisoformat(day)
    end = start + timedelta(days=1, microseconds=-1)
    return [f"{tick:%H:%M}" for tick in Schedule(cron, zone).ticks(start - timedelta(microseconds=1), end, 2_000)]


BERLIN_FORWARD, BERLIN_BACK = "2026-03-29T00:00+01:00", "2026-10-25T00:00+02:00"
LORD_HOWE_FORWARD, LORD_HOWE_BACK = "2026-10-04T00:00+10:30", "2026-04-05T00:00+11:00"


@pytest.mark.parametrize(
    ("cron", "zone", "day", "expected"),
    [
        # At 02:00 the clock is set forward to 03:00, which is 01:00 UTC.
        ("30 2 * * *", "Europe/Berlin", BERLIN_FORWARD, ["01:00"]),
        ("15,45 2 * * *", "Europe/Berlin", BERLIN_FORWARD, ["01:00"]),
        ("0 3 * * *", "Europe/Berlin", BERLIN_FORWARD, ["01:00"]),
        ("30 1-3 * * *", "Europe/Berlin", BERLIN_FORWARD, ["00:30", "01:00", "01:30"]),
        ("*/30 2 * * *", "Europe/Berlin", BERLIN_FORWARD, []),
        ("*/30 1-3 * * *", "Europe/Berlin", BERLIN_FORWARD, ["00:00", "00:30", "01:00", "01:30"]),
        ("15 */2 * * *", "Europe/Berlin", BERLIN_FORWARD, [f"{hour:02}:15" for hour in (23, *range(2, 21, 2), 22)]),
        # At 03:00 the clock is set back to 02:00. That is 01:00 UTC.
        ("30 2 * * *", "Europe/Berlin", BERLIN_BACK, ["00:30"]),
        ("30 1-3 * * *", "Europe/Berlin", BERLIN_BACK, ["23:30", "00:30", "02:30"]),
        ("*/30 2 * * *", "Europe/Berlin", BERLIN_BACK, ["00:00", "00:30", "01:00", "01:30"]),
        ("30 * * * *", "Europe/Berlin", BERLIN_BACK, [f"{hour % 24:02}:30" for hour in range(22, 46)]),
        # At 02:00 the clock is set forward to 02:30, which is 15:30 UTC.
        ("15 2 * * *", "Australia/Lord_Howe", LORD_HOWE_FORWARD, ["15:30"]),
        ("*/15 2 * * *", "Australia/Lord_Howe", LORD_HOWE_FORWARD, ["15:30", "15:45"]),
        ("*/15 3 * * *", "Australia/Lord_Howe", LORD_HOWE_FORWARD, ["16:00", "16:15", "16:30", "16:45"]),
        # At 02:00 the clock is set back to 01:30, which is 15:00 UTC.
        ("45 1 * * *", "Australia/Lord_Howe", LORD_HOWE_BACK, ["14:45"]),
        ("*/15 1 * * *", "Australia/Lord_Howe", LORD_HOWE_BACK, ["14:00", "14:15", "14:30", "14:45", "15:00", "15:15"]),
        ("*/15 2 * * *", "Australia/Lord_Howe", LORD_HOWE_BACK, ["15:30", "15:45", "16:00", "16:15"]),
        # At midnight the clock is set forward to 01:00, which is 22:00 UTC; the next midnight is at 21:00.
        ("0 0 * * *", "Africa/Cairo", "2026-04-23T22:00+00:00", ["22:00", "21:00"]),
        ("*/20 0 * * *", "Africa/Cairo", "2026-04-23T22:00+00:00", ["21:00", "21:20", "21:40"]),
        # 30 December 2011 was skipped. This exceeds three hours, so its jobs were not caught up with.
        ("0 12 * * *", "Pacific/Apia", "2011-12-30T00:00+00:00", ["22:00"]),
        ("0 12 30 * *", "Pacific/Apia", "2011-12-30T00:00+00:00", []),
    ],
)
def test_a_changed_clock(cron: str, zone: str, day: str, expected: list[str]) -> None:
    assert on(cron, zone, day) == expected


def test_a_set_time_that_was_repeated_fires_on_the_next_day_again() -> None:
    in_second_pass = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10, again
    assert Schedule("30 2 * * *", "Europe/Berlin").next_after(in_second_pass) == datetime(
        2026, 10, 26, 1, 30, tzinfo=UTC
    )
