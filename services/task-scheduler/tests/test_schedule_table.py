"""Schedules fire when another implementation says so; `cron_instants.csv` states how its instants were computed."""

from csv import DictReader
from datetime import datetime
from pathlib import Path

from task_scheduler.schedule import Schedule

LINES = Path(__file__).with_name("cron_instants.csv").read_text().splitlines()
ROWS = [tuple(row.values()) for row in DictReader(line for line in LINES if not line.startswith("#"))]


def test_the_table_is_large() -> None:
    assert len(ROWS) >= 200
    assert len({timezone for _, timezone, *_ in ROWS}) == 6


def test_the_next_tick_is_that_of_another_implementation() -> None:
    def is_next(cron: str, timezone: str, after: str, expected: str) -> bool:
        return Schedule(cron, timezone).next_after(datetime.fromisoformat(after)) == datetime.fromisoformat(expected)

    assert [row for row in ROWS if not is_next(*row)] == []
