"""Work that is repeated for the lifetime of the process, whatever fails."""

import asyncio
from collections.abc import Awaitable, Callable

from runtime.logging import get_logger

log = get_logger()

MIN_PAUSE, MAX_PAUSE = 0.1, 5.0


class NotYet(Exception):
    """A dependency of the work does not exist yet, which was logged where it was noticed."""


async def forever(name: str, work: Callable[[], Awaitable[None]], *, until: asyncio.Event | None = None) -> None:
    """Run `work` repeatedly, until the event `until` is set or the task is cancelled.

    Failures are logged, except `NotYet`. After each one it backs off, from 0.1 s up to 5 s; a success resets the pause.
    """
    pause = MIN_PAUSE
    while not (until and until.is_set()):
        try:
            await work()
            pause = MIN_PAUSE
        except (Exception, asyncio.CancelledError) as error:
            if _cancelled():  # also if an error during clean-up replaced the cancellation
                raise asyncio.CancelledError from error
            if not isinstance(error, NotYet):
                log.warning("background work failed, retrying", work=name, error=repr(error), pause=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, MAX_PAUSE)


def _cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
