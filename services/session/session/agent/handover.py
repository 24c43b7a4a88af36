"""The end of an agent whose replica stops, so that another replica goes on with its run."""

import asyncio
from collections.abc import Callable

from session.agent.places import Place, released
from session.agent.stored_calls import StoredCalls

QUIET_SECONDS = 0.2
"""The time after which the transcript has all that an agent did before it asks the model. It only saves money: no agent
is ended before its prompt is there, or during a call; what else is missing then has no effect, and is done again."""
HOLD_SECONDS = 1.0
"""How long a request waits for calls that are in progress: it comes from a subagent, or from a tool."""


class Handover:
    """Ends the agent of one turn, if its replica stops, while no call of a tool is in progress.

    If the prompt is in the transcript, and the results of all calls that have begun, nothing is left undone by the end
    of the agent, and the next agent knows all that was done. `kill` ends it at once, and returns whether it did.
    """

    def __init__(self, place: Place, calls: StoredCalls, kill: Callable[[], bool]) -> None:
        self._place, self._calls, self._kill = place, calls, kill
        place.hand_over = self.now

    def close(self) -> None:
        """Leave the agent alone from now on, because its turn is over."""
        self._place.hand_over = lambda: False

    async def before_request(self, is_alone: Callable[[], bool]) -> None:
        """Decide about a request to the model: it is never made if the agent is ended, which is not in a call then.

        `is_alone` returns whether the agent waits for no other answer, which would be paid and lost.
        """
        if not self._place.stopping:
            return
        await asyncio.sleep(QUIET_SECONDS)
        await self._calls.wait_settled(HOLD_SECONDS)
        if self._place.released or (is_alone() and self.now()):
            await asyncio.Future[None]()  # until the connection of the agent is closed

    def now(self) -> bool:
        """End the agent unless a call is in progress, or its prompt is not stored yet.

        Return whether it was ended, and its run can be handed over.
        """
        if self._place.released or self._calls.open or not (self._calls.has_prompt and self._kill()):
            return False
        self._place.released, self._calls.closed = "handover", True
        released.labels("handover").inc()
        return True
