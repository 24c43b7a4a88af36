"""How long the tool calls of a turn take, however late the service reads and records what the agent reports of them."""

import time
from datetime import datetime
from typing import Any

from session.agent.reported import milliseconds

MAX_CALLS = 1000
"""The number of calls that are timed, or known to be denied, at the same time: an agent makes far fewer, a forger may
not."""


class CallTimes:
    """The times at which calls without a result have begun, by the clock of the machine, which sandboxes share."""

    def __init__(self) -> None:
        self._begun = dict[str, float]()

    def begin(self, call: str) -> None:
        """Note that a call begins now, and not before: it may have waited for an approval."""
        if len(self._begun) < MAX_CALLS:
            self._begun[call] = time.time()

    def report(self, call: str, written: Any) -> None:
        """Note that the agent has `written` of a call at this time; that counts if it is not known when it began."""
        if len(self._begun) < MAX_CALLS:
            self._begun.setdefault(call, _moment(written))

    def end(self, call: str, written: Any) -> tuple[int, float]:
        """Return how many milliseconds a call took, and when it ended; the agent has `written` its result at this time.

        It took none if the agent has not reported it before. The end is in seconds since 1970.
        """
        ended = _moment(written)
        return milliseconds((ended - self._begun.pop(call, ended)) * 1000), ended

    def clear(self) -> None:
        """Forget the calls that have no result."""
        self._begun.clear()


def _moment(written: Any) -> float:
    """Return a time that the agent reports (ISO 8601), in seconds since 1970: now if it is none, or in the future."""
    now = time.time()
    try:
        return min(now, datetime.fromisoformat(written).timestamp())
    except (TypeError, ValueError, OverflowError):
        return now
