"""Passwords: `/api/v1/auth/change-password` and `/api/v1/auth/reset-password`."""

from contracts.refusals import Code
from fastapi import APIRouter, Request, Response

from gateway.clients.authentication import AnyClient, Login
from gateway.clients.client_address import client_address
from gateway.problems import documented
from gateway.routing.bodies import SmallJsonRoute
from gateway.schemas.password import PasswordChange, PasswordReset

router = APIRouter(prefix="/api/v1/auth", tags=["Authentication"], route_class=SmallJsonRoute)


@router.post(
    "/change-password",
    operation_id="changePassword",
    summary="Change the password",
    status_code=204,
    responses=documented(
        Code.WRONG_PASSWORD, Code.PASSWORD_TOO_COMMON, Code.ACCOUNT_LOCKED, Code.ADDRESS_LOCKED, Code.TOO_MANY_LOGINS
    ),
)
async def change(body: PasswordChange, user: Login, request: Request) -> Response:
    """Changes the password, and ends all other logins of the account. API keys stay valid."""
    await user.ask(body.command(user.token.family, client_address(request)))
    return Response(status_code=204)


@router.post(
    "/reset-password",
    operation_id="resetPassword",
    summary="Reset a password",
    status_code=204,
    responses=documented(Code.INVALID_RESET_TOKEN, Code.PASSWORD_TOO_COMMON, Code.TOO_MANY_LOGINS),
)
async def reset(body: PasswordReset, client: AnyClient) -> Response:
    """Sets a new password with a token that an administrator issued, and ends all logins of the account.

    A token can be used once, within 24 hours. API keys stay valid.
    """
    await client.ask(body.command())
    return Response(status_code=204)
