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
    """Lets the agents of a user who has several yield while another user is active, but not the only one at work.

    Those that only wait for approvals need no processors, but programs that they have left running may use all. That
    a user is not active any more, or an agent not at work, is noticed within a second. `live` are the agents by
    session; `activity` is that of users.
    """

    def __init__(self, live: "Mapping[UUID, Agent]") -> None:
        self._live, self.activity = live, Activity[UUID](ACTIVE_SECONDS)
        self._check: asyncio.TimerHandle | None = None

    def update(self) -> None:
        """Let agents yield or not. To be called when a user becomes active, or an agent begins to work, or goes on."""
        busy = [agent for agent in self._live.values() if agent.busy]
        waiting = {agent for agent in busy if agent.spec.place.only_waits()}
        number = Counter(agent.spec.owner for agent in busy)
        at_work = Counter(agent.spec.owner for agent in busy if agent not in waiting)
        beside = {owner for owner, agents in number.items() if owner and agents > 1 and self.activity.is_beside(owner)}
        yielding = {
            agent
            for agent in busy
            if agent.spec.owner in beside and (agent in waiting or at_work[agent.spec.owner] > 1)
        }
        for agent in self._live.values():
            agent.set_yields(agent in yielding)
        if yielding and not self._check:
            self._check = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._check_again)

    def _check_again(self) -> None:
        self._check = None
        self.update()
