"""The result of rendering a report."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rendered:
    """A rendered file: its number of pages (PDF only), and what was left out or shortened."""

    pages: int | None
    notes: list[str]
