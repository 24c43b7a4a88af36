"""Who has sent requests just now: a user who is alone may use what others would have to wait for."""

from math import inf
from time import monotonic


class Activity[User]:
    """Notes the requests of users; one counts as active for `seconds` after each."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last: User | None = None
        self._at, self._other_at = -inf, -inf

    def note(self, user: User) -> bool:
        """Note that a user sends a request now; return whether that may change who is beside others."""
        now = monotonic()
        at = self._at if user == self._last else self._other_at
        if user != self._last:
            self._last, self._other_at = user, self._at
        self._at = now
        return now - at >= self._seconds

    def is_beside(self, user: User) -> bool:
        """Return whether a user is active who is not this one."""
        at = self._other_at if user == self._last else self._at
        return monotonic() - at < self._seconds
