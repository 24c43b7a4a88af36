"""Tool calls that need approval: `/api/v1/approvals`."""

from typing import Annotated, Literal
from uuid import UUID

from contracts.refusals import Code
from contracts.session.approval import GetApproval, ListApprovals
from fastapi import APIRouter, Query, Request, Response

from gateway.clients.authentication import Caller
from gateway.problems import documented
from gateway.routing.bodies import JsonRoute
from gateway.schemas.approval import Approval, ApprovalPage, ApprovalWindow, Decision

DECISION_PROBLEMS = documented(Code.APPROVAL_NOT_FOUND, Code.APPROVAL_OVER)
NO_BODY = Decision()

router = APIRouter(prefix="/api/v1/approvals", tags=["Approvals"], route_class=JsonRoute)


@router.get(
    "",
    operation_id="listApprovals",
    summary="List approvals",
    response_model=ApprovalPage,
    responses=documented(Code.APPROVAL_NOT_FOUND),
)
async def index(window: Annotated[ApprovalWindow, Query()], caller: Caller, request: Request) -> Response:
    """Returns the approvals of all the caller's sessions, newest first. Administrators see those of all users."""
    page = await caller.ask(ListApprovals(**window.model_dump()))
    return ApprovalPage.over(page, window, request).response()


@router.get(
    "/{approval_id}",
    operation_id="getApproval",
    summary="Get an approval",
    response_model=Approval,
    responses=documented(Code.APPROVAL_NOT_FOUND),
)
async def show(approval_id: UUID, caller: Caller) -> Response:
    """Returns the tool call that needs approval, and the decision once there is one."""
    return Approval.of(await caller.ask(GetApproval(approval_id=approval_id))).response()


@router.post(
    "/{approval_id}/approve",
    operation_id="approve",
    summary="Approve a tool call",
    response_model=Approval,
    responses=DECISION_PROBLEMS,
)
async def approve(approval_id: UUID, caller: Caller, body: Decision = NO_BODY) -> Response:
    """Allows the agent to use the tool, and returns the approval.

    Only the first decision counts: a later one gets 409 `APPROVAL_OVER`.
    """
    return await _decide(approval_id, body, "approved", caller)


@router.post(
    "/{approval_id}/deny",
    operation_id="deny",
    summary="Deny a tool call",
    response_model=Approval,
    responses=DECISION_PROBLEMS,
)
async def deny(approval_id: UUID, caller: Caller, body: Decision = NO_BODY) -> Response:
    """Denies the agent the use of the tool, and returns the approval. The agent receives `message` and continues.

    Only the first decision counts: a later one gets 409 `APPROVAL_OVER`.
    """
    return await _decide(approval_id, body, "denied", caller)


async def _decide(
    approval_id: UUID, body: Decision, decision: Literal["approved", "denied"], caller: Caller
) -> Response:
    return Approval.of(await caller.ask(body.command(approval_id, decision))).response()
