"""The five fields of a cron expression, and what is wrong with one in words that help."""

import re
from dataclasses import dataclass

_TERM = re.compile(r"(?:\*|([0-9A-Z]+)(?:-([0-9A-Z]+))?)(?:/([0-9]+))?", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Field:
    """A field with the values `first` to `last`, of which the first ones have `names`."""

    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()

    def check(self, text: str) -> None:
        """Check a list of values, ranges and steps. Raises ValueError if it is invalid."""
        for term in text.split(","):
            self._check_term(term)

    def _check_term(self, term: str) -> None:
        found = _TERM.fullmatch(term)
        if not found:
            raise self._error(f"must be *, a number, a range (1-5), a step (*/5) or a list of these, got {term!r}")
        low, high, step = found.groups()
        values = [self._value(text) for text in (low, high) if text]
        if values != sorted(values):
            raise self._error(f"must not have the range {term}, which runs backwards")
        if step and int(step) == 0:
            raise self._error(f"must have steps of at least 1, got {term}")
        if step and len(values) == 1:
            raise self._error(f"must have a range before a step, such as {low}-{self.last}/{step}, got {term}")

    def _value(self, text: str) -> int:
        if text.upper() in self.names:
            return self.first + self.names.index(text.upper())
        if text.isdecimal() and self.first <= int(text) <= self.last:
            return int(text)
        names = f" or {self.names[0]} to {self.names[-1]}" if self.names else ""
        raise self._error(f"must be {self.first} to {self.last}{names}, got {text}")

    def _error(self, problem: str) -> ValueError:
        return ValueError(f"schedule_cron: {self.name} {problem}")


FIELDS = (
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of month", 1, 31),
    Field("month", 1, 12, ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")),
    Field("day of week", 0, 7, ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")),
)
