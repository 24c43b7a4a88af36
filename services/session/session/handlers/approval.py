"""What is done about approvals."""

from contracts.session.approval import DecideApproval, DeliverDecisions, RequestApproval
from contracts.session.values import Ruling
from eventing.handling import Handlers

from session.aggregate import Session
from session.tools import Work

handles = Handlers()


@handles
async def request_approval(command: RequestApproval, work: Work) -> Ruling | None:
    """Ask whether the agent may use a tool, unless that is settled."""
    async with work.change(Session, command.session_id) as session:
        return session.request_approval(command)


@handles
async def decide_approval(command: DecideApproval, work: Work) -> None:
    """Let the agent use a tool, or not."""
    async with work.change(Session, command.session_id) as session:
        session.decide_approval(command, work.actor.user_id, work.now)


@handles
async def deliver_decisions(command: DeliverDecisions, work: Work) -> list[Ruling] | None:
    """Give a worker what its agent waits for."""
    async with work.change(Session, command.session_id) as session:
        return session.deliver_decisions(command.run_id, command.attempt, command.approval_ids, work.now)
