"""What is done about approvals."""

from contracts.session.approvals import DecideApproval, DeliverDecisions, RequestApproval
from contracts.session.values import Ruling
from eventing.handling import Handlers

from session.handlers.loading import Work, load_session

handles = Handlers()


@handles
async def request_approval(command: RequestApproval, work: Work) -> Ruling | None:
    """Ask whether the agent may use a tool, unless that is settled."""
    session = await load_session(command.session_id, work)
    ruling = session.request_approval(command)
    await work.save(session)
    return ruling


@handles
async def decide_approval(command: DecideApproval, work: Work) -> None:
    """Let the agent use a tool, or not."""
    session = await load_session(command.session_id, work)
    session.decide_approval(command, work.actor.user_id, work.now)
    await work.save(session)


@handles
async def deliver_decisions(command: DeliverDecisions, work: Work) -> list[Ruling] | None:
    """Give a worker what its agent waits for."""
    session = await load_session(command.session_id, work)
    rulings = session.deliver_decisions(command.run_id, command.attempt, command.approval_ids, work.now)
    await work.save(session)
    return rulings
