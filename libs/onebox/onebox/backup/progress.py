"""A line on the terminal now and then."""

import time

from onebox.terminal import report

SECONDS = 10.0


class Progress:
    """Reports how much was written so far, at most every 10 s."""

    def __init__(self) -> None:
        self.bytes = 0
        """So far."""
        self._due = time.monotonic() + SECONDS

    def add(self, size: int) -> None:
        """Count bytes."""
        self.bytes += size
        if time.monotonic() > self._due:
            self._due = time.monotonic() + SECONDS
            report(f"  … {self.bytes / 1e6:,.0f} MB")
