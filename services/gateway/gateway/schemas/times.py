"""Times in requests."""

import re
from datetime import UTC, date, datetime
from typing import Annotated

from contracts.samples import TIME
from pydantic import BeforeValidator

from gateway.problems.validation_messages import mismatch

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
RULE = f"Must be a time with its UTC offset, like {TIME}, between the years 2000 and 2099"
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
DAY_RULE = "Must be a day like 2026-11-25, between the years 2000 and 2099"


def _time(value: object) -> datetime:
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        raise mismatch(RULE) from None
    if time.tzinfo is None or not EARLIEST <= time < LATEST:
        raise mismatch(RULE)
    return time.astimezone(UTC)


Time = Annotated[datetime, BeforeValidator(_time)]
"""A time with its UTC offset, in a range in which computing with it cannot fail."""


def _day(value: object) -> date:
    if not DAY.fullmatch(str(value)):  # ISO 8601 has other forms, with weeks
        raise mismatch(DAY_RULE)
    try:
        day = date.fromisoformat(str(value))
    except ValueError:
        raise mismatch(DAY_RULE) from None
    if not EARLIEST.date() <= day < LATEST.date():
        raise mismatch(DAY_RULE)
    return day


Day = Annotated[date, BeforeValidator(_day)]
"""A day, in the same range."""
