"""Cron expressions as in crontab(5): five fields or a nickname. `cronsim` finds the times at which they fire."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from cronsim import CronSim, CronSimError

from task_scheduler.schedule.cron_fields import FIELDS

MAX_CHARACTERS = 200
HORIZON = timedelta(days=50 * 366)
"""How far ahead a time is searched. The rarest is 40 years ahead: a 29 February on a certain day of the week."""
NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


@dataclass(frozen=True)
class Cron:
    """A valid expression; `expression` consists of five fields."""

    expression: str

    @classmethod
    def parse(cls, text: str) -> "Cron":
        """Return the expression that `text` states, which may be a nickname.

        Raises:
            ValueError: it is invalid.
        """
        if len(text) > MAX_CHARACTERS:
            raise ValueError(f"schedule_cron: at most {MAX_CHARACTERS} characters are allowed, got {len(text)}")
        fields = _expand(text).split()
        if len(fields) != len(FIELDS):
            names = ", ".join(field.name for field in FIELDS)
            raise ValueError(f"schedule_cron: {len(FIELDS)} fields are needed ({names}), got {len(fields)}")
        for field, part in zip(FIELDS, fields, strict=True):
            field.check(part)
        return cls(" ".join(fields))

    @property
    def has_set_times(self) -> bool:
        """Return whether neither minute nor hour begin with `*`; Debian's cron treats changes of the clock by this."""
        minute, hour, *_ = self.expression.split()
        return not (minute.startswith("*") or hour.startswith("*"))

    def times_after(self, wall: datetime) -> Iterator[datetime]:
        """Yield the times (without a time zone) that match, after `wall` and within 50 years."""
        try:
            for time in CronSim(self.expression, wall):
                if time > wall + HORIZON:
                    return
                yield time
        except CronSimError:  # no month of the expression has such a day
            return


def _expand(text: str) -> str:
    nickname = text.strip().lower()
    if not nickname.startswith("@"):
        return text
    if nickname not in NICKNAMES:
        raise ValueError(f"schedule_cron: {nickname} is not one of the nicknames {', '.join(NICKNAMES)}")
    return NICKNAMES[nickname]
