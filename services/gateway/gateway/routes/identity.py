"""Accounts and tokens: `/api/v1/auth`."""

from contracts.identity.login import LogOut, LogOutEverywhere
from contracts.identity.user import GetUser
from contracts.refusals import Code
from fastapi import APIRouter, Request, Response

from gateway.clients.authentication import AnyClient, Login, TokenHolder
from gateway.clients.client_address import client_address
from gateway.problems import documented, headed
from gateway.routing.bodies import SmallJsonRoute
from gateway.schemas.identity import Credentials, Me, RefreshToken, Registration, Tokens, User
from gateway.state import gateway_of

auth = APIRouter(prefix="/api/v1/auth", tags=["Authentication"], route_class=SmallJsonRoute)


@auth.post(
    "/register",
    operation_id="register",
    summary="Register an account",
    status_code=201,
    response_model=User,
    responses=documented(
        Code.TOO_MANY_LOGINS, Code.EMAIL_TAKEN, Code.USERNAME_TAKEN, Code.PASSWORD_TOO_COMMON, Code.REGISTRATION_CLOSED
    ),
)
async def register(body: Registration, client: AnyClient) -> Response:
    """Creates an account and returns it.

    The e-mail address and the username must not be in use. The password needs at least 8 characters and must not be a
    common one. Usernames that differ only in case, dots, hyphens and underscores count as the same; some are reserved.
    """
    return User.of(await client.ask(body.command())).response(201)


@auth.post(
    "/login",
    operation_id="login",
    summary="Log in",
    response_model=Tokens,
    responses=headed(
        documented(
            Code.TOO_MANY_LOGINS,
            Code.INVALID_CREDENTIALS,
            Code.ACCOUNT_DISABLED,
            Code.ACCOUNT_LOCKED,
            Code.ADDRESS_LOCKED,
        ),
        {200: ("Cache-Control",)},
    ),
)
async def login(body: Credentials, client: AnyClient, request: Request) -> Response:
    """Checks an e-mail address and a password, and returns an access token and a refresh token.

    The response is the same for an unknown address as for a wrong password. After ten failures for an account within 15
    minutes, or a hundred from a network address, further ones are refused for a while; an account that has logged in
    from there within 30 days is refused only after ten failures of its own.
    """
    return Tokens.of(await client.ask(body.command(client_address(request)))).response()


@auth.post(
    "/refresh",
    operation_id="refreshTokens",
    summary="Refresh tokens",
    response_model=Tokens,
    responses=headed(documented(Code.INVALID_REFRESH_TOKEN), {200: ("Cache-Control",)}),
)
async def refresh(body: RefreshToken, client: AnyClient) -> Response:
    """Exchanges a refresh token for a new access token and a new refresh token.

    A refresh token can be used once. For 30 seconds it can be used again, in case the first response was lost; a later
    use revokes all tokens of its login.
    """
    return Tokens.of(await client.ask(body.command())).response()


@auth.get(
    "/me",
    operation_id="getMe",
    summary="Get the current account",
    response_model=Me,
    responses=documented(Code.USER_NOT_FOUND),
)
async def me(user: TokenHolder) -> Response:
    """Returns the account of the client in its current state, not as it was when the access token was issued."""
    view = await user.ask(GetUser(user_id=user.actor.user_id))
    key_id = user.token.family if user.token.is_api_key else None
    return Me.of(view, scopes=user.scopes, api_key_id=key_id).response()


@auth.post(
    "/logout",
    operation_id="logout",
    summary="Log out",
    status_code=204,
)
async def logout(user: Login, request: Request) -> Response:
    """Revokes the access token, its refresh token, and all other tokens of the same login."""
    await user.ask(LogOut(family_id=user.token.family))
    gateway_of(request).revocations.add(user.token.family)
    return Response(status_code=204)


@auth.post(
    "/logout-all",
    operation_id="logoutEverywhere",
    summary="Log out everywhere",
    status_code=204,
)
async def logout_all(user: Login, request: Request) -> Response:
    """Revokes the tokens of all logins of the account, also of this one. API keys stay valid."""
    await user.ask(LogOutEverywhere())
    gateway_of(request).revocations.add(user.token.family)
    return Response(status_code=204)
