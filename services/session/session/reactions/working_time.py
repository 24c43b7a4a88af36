"""The time in which the agents of a run work, stored while it passes: after a crash the next agent gets the rest."""

import asyncio
from contextlib import suppress
from decimal import Decimal
from typing import Self

from runtime.logging import get_logger

from session.quotas.spending import Spending
from session.reactions.deadline import Deadline

log = get_logger()

STORE_SECONDS = 5.0
RETRY_SECONDS = 1.0
NOTHING = Decimal(0)


class WorkingTime:
    """Stores how long the agents of a run have worked, every 5 s while the context is open, and when the time is over.

    If it is over, the end of the context waits until that is stored, however long the database is unavailable: should
    this worker not be able to end the run, no agent follows.
    """

    def __init__(self, deadline: Deadline, spending: Spending) -> None:
        self._deadline, self._spending = deadline, spending
        spending.worked_ms = lambda: deadline.used_ms

    async def __aenter__(self) -> Self:
        """Start to store the time."""
        self._tasks = await asyncio.TaskGroup().__aenter__()
        self._storing = self._tasks.create_task(self._store_while_working())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stop to store the time."""
        self._storing.cancel()
        # The caller's exception is not passed on, because a task group would wrap it.
        await self._tasks.__aexit__(None, None, None)
        if kind is not asyncio.CancelledError:
            await self._store_if_over()

    async def _store_while_working(self) -> None:
        while not self._deadline.expired:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._deadline.over.wait(), STORE_SECONDS)
            try:
                await self._spending.charge(NOTHING, step_ms=1)
            except Exception:  # the agent works on
                log.exception("working time of a run could not be stored")

    async def _store_if_over(self) -> None:
        while self._deadline.expired:
            if await self._spending.charge(NOTHING, step_ms=1):
                break
            await asyncio.sleep(RETRY_SECONDS)
