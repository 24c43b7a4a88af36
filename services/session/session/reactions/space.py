"""Ends runs that write more than their workspaces may hold."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Self

from contracts.refusals import Refusal
from runtime.blocking import BlockingPool
from runtime.logging import get_logger

from session.agent import Finished
from session.workspace import Meter, Workspace, change_time, measure, remove_excess

log = get_logger()

POLL_SECONDS = 1.0
REMOVED = "{} What exceeded it was removed: {} of the files that the run wrote, the largest first."
NOT_REMOVED = "{} The files that the run wrote could not be removed."


class Space:
    """Measures the workspace of a run while the context is open, and calls `on_full` if it exceeds its quota."""

    def __init__(self, files: Workspace, pool: BlockingPool, on_full: Callable[[], None]) -> None:
        self._files, self._pool, self._on_full = files, pool, on_full
        self._refusal: Refusal | None = None
        self._since_ns = sys.maxsize  # nothing is removed

    async def __aenter__(self) -> Self:
        """Start to measure."""
        try:
            self._since_ns = await self._pool.run(change_time, self._files.root)
        except OSError as error:  # the disk may be full
            log.warning("files of a run cannot be told from earlier ones", error=repr(error))
        self._tasks = await asyncio.TaskGroup().__aenter__()
        self._watching = self._tasks.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop to measure."""
        self._watching.cancel()
        # The caller's exception is not passed on, because a task group would wrap it.
        await self._tasks.__aexit__(None, None, None)

    async def _watch(self) -> None:
        meter = Meter(self._files.root)
        while not self._refusal:
            await asyncio.sleep(POLL_SECONDS)
            await self._check(meter.check)
        self._on_full()

    async def _check(self, check: Callable[[], object]) -> None:
        try:
            await self._pool.run(check)
        except Refusal as refusal:
            self._refusal = refusal
        except OSError as error:  # an agent may change folders meanwhile
            log.warning("workspace could not be measured", error=repr(error))

    async def settle(
        self, finished: Finished, before_removal: Callable[[], Awaitable[None]], *, changed: bool
    ) -> Finished:
        """Remove what a run, whose agent has ended or is idle, has written beyond the quota, and return how it ended.

        It is measured again if the agent may have `changed` it, because it may have written faster than it was
        measured. `before_removal` is called only if something has to be removed.
        """
        if changed and not self._refusal:
            await self._check(lambda: measure(self._files.root))
        if not self._refusal:
            return finished
        code, detail = self._refusal.code, self._refusal.detail
        await before_removal()
        try:
            removed = await self._pool.run(remove_excess, self._files.root, self._since_ns)
        except OSError as error:
            log.warning("files beyond the quota not removed", error=repr(error))
            return replace(finished, error_code=code, error_detail=NOT_REMOVED.format(detail))
        finally:
            self._files.changed()
        return replace(finished, error_code=code, error_detail=REMOVED.format(detail, removed))
