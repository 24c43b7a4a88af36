"""Health of tasks that are restarted after each failure."""

import time
from collections.abc import Awaitable
from dataclasses import dataclass

from runtime.http.health import NotReady

MAX_FAILING_SECONDS = 30.0
"""How long a task may fail repeatedly before the service is not ready."""
RECOVERY_SECONDS = 10.0
"""Time without a failure after which a task is healthy again: more than the longest pause before a restart."""


@dataclass
class _Failing:
    since: float
    last: float
    error: Exception


class Failures:
    """The recent failures of named tasks."""

    def __init__(self) -> None:
        self._failing: dict[str, _Failing] = {}

    async def track(self, name: str, work: Awaitable[None]) -> None:
        """Await `work`, and record its failure under `name` before raising it again."""
        began = time.monotonic()
        try:
            await work
        except Exception as error:
            now, known = time.monotonic(), self._failing.get(name)
            repeated = known and now - began < RECOVERY_SECONDS and began - known.last < RECOVERY_SECONDS
            self._failing[name] = _Failing(known.since if known and repeated else now, now, error)
            raise

    async def check(self) -> None:
        """Check that no task fails repeatedly (a health check).

        Raises:
            NotReady: a task does; names the first of them.
        """
        now = time.monotonic()
        for name, failing in self._failing.items():
            if now - failing.last < RECOVERY_SECONDS and failing.last - failing.since > MAX_FAILING_SECONDS:
                error = failing.error
                raise NotReady(f"{name} has failed for {now - failing.since:.0f} s: {type(error).__name__}: {error}")
