"""Wall clocks: which instants a time of a time zone means, including when the clock is changed."""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

MAX_GAP = timedelta(hours=3)
"""Debian's cron takes a larger change for a correction of the clock: what was skipped does not run."""
MAX_NAME = 50
NOTHING = timedelta(0)


@dataclass(frozen=True)
class WallClock:
    """The wall clock of a time zone. Times without a time zone are what it shows; instants are in UTC."""

    zone: ZoneInfo

    @classmethod
    def of(cls, name: str) -> "WallClock":
        """Return the clock of a time zone of the IANA database.

        Raises:
            ValueError: there is no such time zone.
        """
        if name not in _names():
            raise ValueError(
                f"schedule_timezone: there is no time zone {name[:MAX_NAME]!r}; use a name such as Europe/Berlin"
            )
        return cls(_load(name))

    def show(self, instant: datetime) -> datetime:
        """Return the time that the clock shows at an instant."""
        return instant.astimezone(self.zone)

    def instants(self, time: datetime) -> list[datetime]:
        """Return the instants at which the clock shows a time: none if it is skipped, two if it is repeated."""
        instants = sorted({time.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) for fold in (0, 1)})
        return [instant for instant in instants if self.show(instant).replace(tzinfo=None) == time]

    def repeated_at(self, instant: datetime) -> timedelta:
        """Return how far the clock will be set back if it will show the present time a second time; 0 if it won't."""
        shown = self.show(instant)
        return (shown.utcoffset() or NOTHING) - (shown.replace(fold=1).utcoffset() or NOTHING)

    def after_gap(self, time: datetime) -> list[datetime]:
        """Return the first instant after the gap in which a time was skipped; none if the gap exceeds 3 hours."""
        late, early = (time.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        gap = late - early
        if gap > MAX_GAP:
            return []
        offset = self.show(late).utcoffset()
        seconds = range(int(gap.total_seconds()))
        passed = bisect_left(
            seconds, True, key=lambda second: self.show(early + timedelta(seconds=second)).utcoffset() == offset
        )
        return [early + timedelta(seconds=passed)]


# The zones are those of the locked package, not of the machine, so that all replicas compute the same ticks.
@cache
def _names() -> frozenset[str]:
    return frozenset(resources.files("tzdata").joinpath("zones").read_text().split())


@cache
def _load(name: str) -> ZoneInfo:
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)
