"""What users use of their quotas: `/api/v1/auth/me/usage`, and the same of any user for administrators."""

from uuid import UUID

from contracts.identity.user import GetUser
from contracts.refusals import Code
from contracts.session.quota import GetUsage
from fastapi import APIRouter, Response

from gateway.clients.authentication import Caller, TokenHolder
from gateway.problems import documented
from gateway.routing.api_route import ApiRoute
from gateway.schemas.quota import Usage

router = APIRouter(prefix="/api/v1/auth/me", tags=["Authentication"], route_class=ApiRoute)
admin = APIRouter(prefix="/api/v1/admin/users/{user_id}", tags=["Admin"], route_class=ApiRoute)


@router.get(
    "/usage",
    operation_id="getUsage",
    summary="Get the usage of the current account",
    response_model=Usage,
)
async def usage(user: TokenHolder) -> Response:
    """Returns what the account uses of each quota, the limit of the quota, and when it starts again at 0.

    A limit of null is unlimited.
    """
    query = GetUsage(user_id=user.actor.user_id, role=user.actor.role)
    return Usage.to(await user.ask(query)).response()


@admin.get(
    "/usage",
    operation_id="getUserUsage",
    summary="Get the usage of an account",
    response_model=Usage,
    responses=documented(Code.USER_NOT_FOUND),
)
async def user_usage(user_id: UUID, caller: Caller) -> Response:
    """Returns what an account uses of each quota, as its user sees it."""
    user = await caller.ask(GetUser(user_id=user_id))
    return Usage.to(await caller.ask(GetUsage(user_id=user_id, role=user.role))).response()
