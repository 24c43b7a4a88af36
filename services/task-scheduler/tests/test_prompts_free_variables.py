from datetime import UTC, datetime

import pytest
from task_scheduler.prompts.free_variables import free_variables


def test_free_variables_describe_the_tick_and_the_task() -> None:
    assert free_variables("Daily", datetime(2026, 11, 26, 8, 0, tzinfo=UTC), "Europe/Berlin") == {
        "date": "2026-11-26",
        "time": "09:00",
        "scheduled_for": "2026-11-26T08:00:00Z",
        "task_name": "Daily",
    }


@pytest.mark.parametrize(
    ("timezone", "date", "time"),
    [
        ("UTC", "2026-03-29", "23:30"),
        ("Europe/Berlin", "2026-03-30", "01:30"),
        ("America/New_York", "2026-03-29", "19:30"),
        ("Asia/Kolkata", "2026-03-30", "05:00"),
    ],
)
def test_date_and_time_are_those_of_the_time_zone(timezone: str, date: str, time: str) -> None:
    found = free_variables("", datetime(2026, 3, 29, 23, 30, tzinfo=UTC), timezone)
    assert (found["date"], found["time"], found["scheduled_for"]) == (date, time, "2026-03-29T23:30:00Z")
