"""Work that goes on as long as the process does, whatever fails on the way."""

import asyncio
from collections.abc import Awaitable, Callable

from runtime.logging import get_logger

log = get_logger()

MIN_PAUSE, MAX_PAUSE = 0.1, 5.0


async def forever(name: str, work: Callable[[], Awaitable[None]], *, until: asyncio.Event | None = None) -> None:
    """Run `work` again and again, `until` an event is set or, without one, until cancelled.

    After a failure it waits, a little longer each time (0.1 s to 5 s), until one run succeeds.
    """
    pause = MIN_PAUSE
    while not (until and until.is_set()):
        try:
            await work()
            pause = MIN_PAUSE
        except (Exception, asyncio.CancelledError) as error:
            if _cancelled():  # also when cleaning up failed, and hides that we were
                raise asyncio.CancelledError from error
            log.warning("interrupted, trying again", work=name, error=repr(error), pause=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, MAX_PAUSE)


def _cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
