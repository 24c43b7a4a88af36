"""Handlers of commands about approvals."""

from contracts.refusals import Code, not_found
from contracts.session.approval import DecideApproval, DeliverDecisions, ExpireApproval, GetApproval, RequestApproval
from contracts.session.values import ApprovalOutcome
from eventing.handling import Handlers

from session.aggregate import Session
from session.dependencies import Work

handles = Handlers()


@handles
async def request_approval(command: RequestApproval, work: Work) -> ApprovalOutcome | None:
    """Request approval of a tool call; return the outcome if it is already known."""
    async with work.change(Session, command.session_id) as session:
        return session.request_approval(command)


@handles
async def decide_approval(command: DecideApproval, work: Work) -> None:
    """Approve or deny a tool call."""
    approval = await work.ask(GetApproval(approval_id=command.approval_id))
    if command.session_id not in (None, approval.session_id):
        raise not_found(Code.APPROVAL_NOT_FOUND, command.approval_id)
    async with work.change(Session, approval.session_id) as session:
        session.decide_approval(command, work.actor.user_id, work.now)


@handles
async def expire_approval(command: ExpireApproval, work: Work) -> None:
    """Expire an approval that was not decided in time."""
    async with work.change(Session, command.session_id) as session:
        session.expire_approval(command.approval_id)


@handles
async def deliver_decisions(command: DeliverDecisions, work: Work) -> list[ApprovalOutcome] | None:
    """Return the decisions that a worker waits for, and record their delivery."""
    async with work.change(Session, command.session_id) as session:
        return session.deliver_decisions(command.run_id, command.attempt, command.approval_ids)
