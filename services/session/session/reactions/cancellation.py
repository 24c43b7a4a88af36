"""The end of an agent's turn, requested by its worker or by the events of its run."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

from contracts.refusals import Code, Refusal
from contracts.session.run import RunCancelled, RunFailed, RunStarted
from eventing.reactions import Reaction, Reactions
from eventing.recording import Recorded

from session.dependencies import Dependencies

reactions = Reactions()


class Cancellation:
    """Calls `end` once it is requested. `refusal` is the reason if the worker has lost its run."""

    def __init__(self, end: Callable[[], Awaitable[None]]) -> None:
        self.refusal: Refusal | None = None
        self._end, self._requested = end, asyncio.Event()

    async def __aenter__(self) -> Self:
        self._tasks = await asyncio.TaskGroup().__aenter__()
        self._ending = self._tasks.create_task(self._end_when_requested())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ending.cancel()
        # The caller's exception is not passed on, because a task group would wrap it.
        await self._tasks.__aexit__(None, None, None)

    @property
    def requested(self) -> bool:
        """Whether the cancellation was requested."""
        return self._requested.is_set()

    def request(self, refusal: Refusal | None = None) -> None:
        """Request the end of the agent; the first refusal is kept."""
        self.refusal = self.refusal or refusal
        self._requested.set()

    async def _end_when_requested(self) -> None:
        await self._requested.wait()
        await self._end()


@reactions.broadcast("end_turn")
async def end_turn(recorded: Recorded[RunCancelled], reaction: Reaction[Dependencies]) -> None:
    """End the agent of a cancelled run, in whichever replica it runs. The next run gets another agent."""
    reaction.dependencies.agents.cancel(recorded.id, recorded.event.run_id)


@reactions.broadcast("end_replaced_turn")
async def end_replaced_turn(recorded: Recorded[RunStarted], reaction: Reaction[Dependencies]) -> None:
    """End the agent of a worker that was taken for dead, since another one continues its run."""
    if recorded.event.attempt > 1:
        reaction.dependencies.agents.cancel(recorded.id, recorded.event.run_id, recorded.event.attempt - 1)


@reactions.broadcast("end_late_turn")
async def end_late_turn(recorded: Recorded[RunFailed], reaction: Reaction[Dependencies]) -> None:
    """End the agent of an interrupted run, whose worker was taken for dead: the next run may have begun."""
    if recorded.event.error_code is Code.RUN_INTERRUPTED:
        reaction.dependencies.agents.cancel(recorded.id, recorded.event.run_id)
