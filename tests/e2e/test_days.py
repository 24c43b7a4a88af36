"""Tests about the figures of a day are repeated if they fail while it ends, and only then."""

from datetime import UTC, datetime, timedelta

import pytest
from runtime import clock

from tests.e2e.days import within_a_day


class Midnight:
    """A test that begins at 23:50, takes some minutes, and fails in as many runs as `failures` says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, minutes: int, failures: int) -> None:
        self.now = datetime(2026, 1, 31, 23, 50, tzinfo=UTC)
        self.minutes, self.failures, self.runs = minutes, failures, 0
        monkeypatch.setattr(clock, "now", lambda: self.now)

    def run(self) -> None:
        self.runs += 1
        self.now += timedelta(minutes=self.minutes)
        assert self.runs > self.failures


def test_a_test_that_fails_at_midnight_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    test = Midnight(monkeypatch, minutes=15, failures=1)
    within_a_day(test.run)()
    assert test.runs == 2


@pytest.mark.parametrize(("minutes", "failures", "runs"), [(5, 1, 1), (15, 2, 2)], ids=["same day", "again"])
def test_a_test_that_fails_on_one_day_fails(
    monkeypatch: pytest.MonkeyPatch, minutes: int, failures: int, runs: int
) -> None:
    test = Midnight(monkeypatch, minutes, failures)
    with pytest.raises(AssertionError):
        within_a_day(test.run)()
    assert test.runs == runs
