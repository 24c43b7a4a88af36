"""What agents ask people: `/api/v1/approvals`."""

from typing import Annotated, Literal
from uuid import UUID

from contracts.refusals import Code
from contracts.session.approval import GetApproval, ListApprovals
from fastapi import APIRouter, Query, Request, Response

from gateway.authentication import Caller
from gateway.bodies import JsonRoute
from gateway.problems import documented
from gateway.schemas.approval import Approval, ApprovalPage, ApprovalWindow, Decision

DECIDING = documented(Code.APPROVAL_NOT_FOUND, Code.APPROVAL_OVER)
NOTHING_SAID = Decision()

router = APIRouter(prefix="/api/v1/approvals", tags=["Approvals"], route_class=JsonRoute)


@router.get(
    "",
    operation_id="listApprovals",
    summary="List approvals",
    response_model=ApprovalPage,
)
async def index(window: Annotated[ApprovalWindow, Query()], caller: Caller, request: Request) -> Response:
    """Newest first, over all sessions of the caller; an admin sees those of all users."""
    page = await caller.ask(ListApprovals(**window.model_dump()))
    return ApprovalPage.over(page, [Approval.of(view) for view in page.items], window, request).response()


@router.get(
    "/{approval_id}",
    operation_id="getApproval",
    summary="Show an approval",
    response_model=Approval,
    responses=documented(Code.APPROVAL_NOT_FOUND),
)
async def show(approval_id: UUID, caller: Caller) -> Response:
    """What the agent wants to do, and what was decided."""
    return Approval.of(await caller.ask(GetApproval(approval_id=approval_id))).response()


@router.post(
    "/{approval_id}/approve",
    operation_id="approve",
    summary="Let the agent use the tool",
    response_model=Approval,
    responses=DECIDING,
)
async def approve(approval_id: UUID, caller: Caller, body: Decision = NOTHING_SAID) -> Response:
    """Of several answers the first one counts; the others are 409."""
    return await _decide(approval_id, body, "approved", caller)


@router.post(
    "/{approval_id}/deny",
    operation_id="deny",
    summary="Do not let the agent use the tool",
    response_model=Approval,
    responses=DECIDING,
)
async def deny(approval_id: UUID, caller: Caller, body: Decision = NOTHING_SAID) -> Response:
    """The agent is told, with the message, and goes on without the tool."""
    return await _decide(approval_id, body, "denied", caller)


async def _decide(
    approval_id: UUID, body: Decision, decision: Literal["approved", "denied"], caller: Caller
) -> Response:
    return Approval.of(await caller.ask(body.command(approval_id, decision))).response()
