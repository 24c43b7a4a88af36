"""Which idle agents are ended when there are too many."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID

from session.agent.options import Limits

if TYPE_CHECKING:
    from session.agent.live import Agent


def surplus(live: "Iterable[Agent]", owner: UUID | None, limits: Limits) -> "Agent | None":
    """Return the idle agent to end next, of those in the order of their last use; None if there are not too many.

    It is one beyond the share of a user, or beyond the total one of the users with the most agents.
    """
    agents = list(live)
    number = Counter(agent.spec.owner for agent in agents)
    idle = [agent for agent in agents if not agent.busy]
    if number[owner] > limits.warm_agents_per_user and (own := [each for each in idle if each.spec.owner == owner]):
        return own[0]
    if len(agents) > limits.warm_agents and idle:
        return max(idle, key=lambda agent: number[agent.spec.owner])
    return None
