"""Days and months of UTC, which may end in the middle of a test: the figures of the next one begin at zero."""

from collections.abc import Callable
from functools import wraps

from runtime import clock


def within_a_day[**P](test: Callable[P, None]) -> Callable[P, None]:
    """Repeat a test that fails while a day ends. It must not matter to it that it has run before.

    If it fails again, the report has both failures.
    """

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        day = clock.now().date()
        try:
            test(*args, **kwargs)
        except Exception:
            if clock.now().date() == day:
                raise
            test(*args, **kwargs)

    return run
