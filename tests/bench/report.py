"""Readable results: one table, each figure beside its control and its aim, with the machine's load."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

COLUMNS = ("", "measured", "control", "", "aim", "")


@dataclass(frozen=True)
class Aim:
    """Aim of a figure: at least or at most."""

    limit: float
    unit: str
    most: bool = False

    def __str__(self) -> str:
        return f"{'at most' if self.most else 'at least'} {self.limit:g}{self.unit}"

    def verdict(self, figure: float) -> str:
        return "reached" if (figure <= self.limit if self.most else figure >= self.limit) else "short"


@dataclass(frozen=True)
class Line:
    """One thing that was measured; with a control, `compared` is their ratio or difference."""

    what: str
    measured: str
    control: str = ""
    compared: float | None = None
    aim: Aim | None = None
    unit: str = "x"

    @property
    def cells(self) -> tuple[str, ...]:
        compared = "" if self.compared is None else f"{self.compared:.2f}{self.unit}"
        verdict = self.aim.verdict(self.compared) if self.aim and self.compared is not None else ""
        return (self.what, self.measured, self.control, compared, str(self.aim or ""), verdict)


@dataclass(frozen=True)
class Section:
    """Results of one benchmark, and how much of the machine others used meanwhile."""

    title: str
    others: float
    lines: list[Line]


def table(sections: Sequence[Section], began: str) -> str:
    """Write everything down."""
    rows = [COLUMNS, *(line.cells for section in sections for line in section.lines)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    parts = [f"{machine()}; load average {began} at first, {load()} at last", "", _row(COLUMNS, widths)]
    for section in sections:
        parts += ["", f"{section.title} (meanwhile others used {section.others:.0%} of the machine)"]
        parts += [_row(line.cells, widths) for line in section.lines]
    return "\n".join(parts) + "\n"


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  " + "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def machine() -> str:
    """Say what this machine is."""
    return f"{os.cpu_count()} cores"


def load() -> str:
    """Return the load average of the last 1, 5 and 15 minutes, as text."""
    return " ".join(f"{average:.1f}" for average in os.getloadavg())


def rate(per_second: float) -> str:
    """Write a rate."""
    return f"{per_second:,.0f}/s"


def milliseconds(seconds: float) -> str:
    """Write a short time."""
    return f"{seconds * 1000:.2f} ms"
