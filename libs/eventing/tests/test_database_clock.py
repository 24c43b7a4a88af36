"""A clock of the process that is wrong is reported, and the one of the database is used instead."""

from datetime import UTC, datetime, timedelta

import pytest
from eventing.database import Database
from eventing.database import clock as module
from eventing.testing import eventually
from runtime import clock
from runtime.http.health import NotReady
from structlog.testing import capture_logs

DAY, FOREVER = timedelta(days=1), datetime(9999, 1, 1, tzinfo=UTC)


def set_wrong(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """Set the clock of the process forward, or back."""
    right = clock.now
    monkeypatch.setattr(clock, "now", lambda: right() + by)


async def compare(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare the clocks, until that takes a short time: the longer it takes, the less is known of the difference."""
    monkeypatch.setattr(module, "MAX_ROUND_TRIP_SECONDS", 0.5)

    async def is_compared() -> bool:
        await database.check()
        return bool(database.clock._measured)  # pyright: ignore[reportPrivateUsage]

    await eventually(is_compared)


async def test_a_clock_that_is_right_is_used(database: Database) -> None:
    await database.check()
    before = clock.now()
    assert before <= database.clock.now() <= clock.now()
    await database.clock.check()


async def test_a_clock_that_was_never_compared_is_used(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: FOREVER)
    assert database.clock.now() == FOREVER


@pytest.mark.parametrize(("by", "difference"), [(DAY, "86,400 s ahead of"), (-DAY, "86,400 s behind")])
async def test_a_wrong_clock_makes_the_service_not_ready(
    database: Database, monkeypatch: pytest.MonkeyPatch, by: timedelta, difference: str
) -> None:
    await compare(database, monkeypatch)
    set_wrong(monkeypatch, by)
    with pytest.raises(NotReady, match=difference):
        await database.clock.check()


async def test_the_log_names_the_difference_of_a_wrong_clock_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_wrong(monkeypatch, DAY)
    with capture_logs() as logs:
        await compare(database, monkeypatch)
        await database.check()
    assert [round(log["ahead_seconds"], -1) for log in logs] == [86_400]


async def test_the_time_is_that_of_the_database_while_the_clock_is_wrong(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await compare(database, monkeypatch)
    right = clock.now()
    set_wrong(monkeypatch, DAY)
    assert abs(database.clock.now() - right) < DAY / 2  # it is known to half of the time that comparing took
