"""Sliding windows: how many requests count, and when the next one may be sent. No I/O and no clock."""

from dataclasses import dataclass
from math import ceil, floor


@dataclass(frozen=True)
class Window:
    """The requests of a client in the current window of `seconds`, and in the one before, at the time `now`.

    Of the requests in the window before, the share counts that lies in the last `seconds` if they were evenly spread.
    So memory does not grow with the number of requests, and nobody can send twice the limit around the end of a window.
    """

    limit: int
    seconds: int
    previous: int
    current: int
    now: float

    @property
    def used(self) -> int:
        """How many requests count against the limit."""
        return floor(self.previous * (1 - self._elapsed / self.seconds)) + self.current

    @property
    def exceeded(self) -> bool:
        """Whether more requests count than the limit allows."""
        return self.used > self.limit

    @property
    def remaining(self) -> int:
        """How many more requests may be sent now."""
        return max(0, self.limit - self.used)

    @property
    def reset(self) -> int:
        """Seconds until the next window begins, rounded up."""
        return ceil(self.seconds - self._elapsed)

    @property
    def retry_after(self) -> int:
        """Seconds until one more request is allowed if none is sent meanwhile, rounded up; 0 if it is allowed now."""
        if self.remaining:
            return 0
        if self.current < self.limit:
            return ceil(self._begin_of_share(self.previous, self.limit - self.current) - self._elapsed)
        return ceil(self.seconds - self._elapsed + self._begin_of_share(self.current, self.limit))

    @property
    def _elapsed(self) -> float:
        return self.now % self.seconds

    def _begin_of_share(self, earlier: int, free: int) -> float:
        """Return the seconds into a window from which on fewer than `free` of the `earlier` requests count."""
        return self.seconds * (1 - free / earlier) + _MARGIN


_MARGIN = 0.001
"""Seconds: exactly at the computed time, all `free` requests still count."""
