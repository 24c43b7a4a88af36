"""Which agents leave processors to others: a request of another user is then served as if they were not there."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from runtime.activity import Activity

if TYPE_CHECKING:
    from session.agent.live import Agent

ACTIVE_SECONDS = 5.0
"""How long after a request of a user the runs of others leave it some of the processors."""
CHECK_SECONDS = 1.0


class Processors:
    """Lets the agents of a user who has several at work yield while another user is active.

    The ends of both are noticed within a second. `live` are the agents by session; `activity` is that of users.
    """

    def __init__(self, live: "Mapping[UUID, Agent]") -> None:
        self._live, self.activity = live, Activity[UUID](ACTIVE_SECONDS)
        self._check: asyncio.TimerHandle | None = None

    def update(self) -> None:
        """Let agents yield or not. To be called when a user becomes active, or an agent begins to work, or goes on."""
        at_work = [agent for agent in self._live.values() if agent.busy and not agent.spec.place.only_waits()]
        number = Counter(agent.spec.owner for agent in at_work)
        yielding = {
            owner for owner, agents in number.items() if owner and agents > 1 and self.activity.is_beside(owner)
        }
        for agent in self._live.values():
            agent.set_yields(agent.busy and agent.spec.owner in yielding)
        if yielding and not self._check:
            self._check = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._check_again)

    def _check_again(self) -> None:
        self._check = None
        self.update()
