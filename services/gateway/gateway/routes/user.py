"""Accounts, for administrators: `/api/v1/admin`."""

from typing import Annotated
from uuid import UUID

from contracts.identity.password import IssuePasswordReset
from contracts.identity.user import GetUser
from contracts.refusals import Code
from fastapi import APIRouter, Query, Request, Response

from gateway.clients.authentication import Caller
from gateway.problems import documented, headed
from gateway.routing.bodies import JsonRoute
from gateway.schemas.identity import User
from gateway.schemas.password import IssuedPasswordReset
from gateway.schemas.user import NewServiceAccount, UserChange, UserPage, UserWindow

router = APIRouter(prefix="/api/v1/admin", tags=["Admin"], route_class=JsonRoute)


@router.post(
    "/service-accounts",
    operation_id="createServiceAccount",
    summary="Create a service account",
    status_code=201,
    response_model=User,
    responses=headed(documented(Code.USERNAME_TAKEN), {201: ("Location",)}),
)
async def create_service_account(body: NewServiceAccount, caller: Caller) -> Response:
    """Creates an account for a program. It has no password; create an API key for it, with its id as `user_id`."""
    account = User.of(await caller.ask(body.command()))
    return account.response(201, {"Location": f"/api/v1/admin/users/{account.id}"})


@router.get(
    "/users",
    operation_id="listUsers",
    summary="List accounts",
    response_model=UserPage,
    responses=documented(Code.USER_NOT_FOUND),
)
async def index(window: Annotated[UserWindow, Query()], caller: Caller, request: Request) -> Response:
    """Returns all accounts, newest first, with disabled ones and service accounts."""
    page = await caller.ask(window.query())
    return UserPage.over(page, window, request).response()


@router.get(
    "/users/{user_id}",
    operation_id="getUser",
    summary="Get an account",
    response_model=User,
    responses=documented(Code.USER_NOT_FOUND),
)
async def show(user_id: UUID, caller: Caller) -> Response:
    """Returns an account."""
    return User.of(await caller.ask(GetUser(user_id=user_id))).response()


@router.patch(
    "/users/{user_id}",
    operation_id="changeUser",
    summary="Change an account",
    response_model=User,
    responses=documented(Code.USER_NOT_FOUND, Code.LAST_ADMIN),
)
async def change(user_id: UUID, body: UserChange, caller: Caller) -> Response:
    """Changes the role or the quotas of an account, or disables or enables it, effective everywhere within a second.

    The last active administrator can neither get another role nor be disabled.
    """
    return User.of(await caller.ask(body.command(user_id))).response()


@router.post(
    "/users/{user_id}/password-reset",
    operation_id="issuePasswordReset",
    summary="Issue a password reset",
    status_code=201,
    response_model=IssuedPasswordReset,
    responses=headed(documented(Code.USER_NOT_FOUND, Code.NO_PASSWORD), {201: ("Cache-Control",)}),
)
async def issue_password_reset(user_id: UUID, caller: Caller, request: Request) -> Response:
    """Returns a link by which the user sets a new password once, within 24 hours; it replaces an earlier one.

    Pass it on over a channel that only the user reads.
    """
    issued = await caller.ask(IssuePasswordReset(user_id=user_id))
    # In the fragment, which browsers do not send: no server or proxy logs it.
    link = f"{request.base_url}console/#reset={issued.reset_token}"
    return IssuedPasswordReset.of(issued, link=link).response(201)
