"""The handler of the outcomes of the calls of a lost worker or agent."""

from contracts.session.settling import Settled, SettleRun
from eventing.handling import Handlers

from session.aggregate import Session
from session.dependencies import Work

handles = Handlers()


@handles
async def settle_run(command: SettleRun, work: Work) -> Settled:
    """Record the outcomes of the tool calls of a lost worker or agent."""
    async with work.change(Session, command.session_id) as session:
        return session.settle_run(command)
