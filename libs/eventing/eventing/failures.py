"""Whether work that is started again after each failure gets on."""

import time
from collections.abc import Awaitable
from dataclasses import dataclass

from runtime.health import NotReady

PATIENCE = 30.0
"""Seconds for which something may fail again and again until the service is not ready."""
RECENT = 10.0
"""Seconds without a failure after which it is well again: more than the longest pause before it is started anew."""


@dataclass
class _Failing:
    since: float
    last: float
    error: Exception


class Failures:
    """What failed lately, by name."""

    def __init__(self) -> None:
        self._failing: dict[str, _Failing] = {}

    async def noted(self, name: str, work: Awaitable[None]) -> None:
        """Await some work, and note it when it fails."""
        began = time.monotonic()
        try:
            await work
        except Exception as error:
            now, known = time.monotonic(), self._failing.get(name)
            goes_on = known and now - began < RECENT and began - known.last < RECENT
            self._failing[name] = _Failing(known.since if known and goes_on else now, now, error)
            raise

    async def check(self) -> None:
        """Raise when something fails again and again (a health check).

        Raises:
            NotReady: so it is; the first of these is told.
        """
        now = time.monotonic()
        for name, failing in self._failing.items():
            if now - failing.last < RECENT and failing.last - failing.since > PATIENCE:
                error = failing.error
                raise NotReady(f"{name} has failed for {now - failing.since:.0f} s: {type(error).__name__}: {error}")
