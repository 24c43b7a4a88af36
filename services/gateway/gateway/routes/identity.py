"""Accounts and tokens: `/api/v1/auth`, and the keys that verify access tokens."""

from contracts.identity.commands import LogOut
from contracts.identity.queries import GetUser
from contracts.refusals import Code
from fastapi import APIRouter, Request, Response
from runtime.bus import Unavailable

from gateway.authentication import AnyClient, TokenHolder
from gateway.bodies import SmallJsonRoute
from gateway.problems import EdgeCode, documented, headed
from gateway.schemas.identity import Credentials, KeySet, RefreshToken, Registration, Tokens, User
from gateway.state import gateway_of

auth = APIRouter(prefix="/api/v1/auth", tags=["Authentication"], route_class=SmallJsonRoute)
well_known = APIRouter(prefix="/.well-known", tags=["Authentication"])


@auth.post(
    "/register",
    operation_id="register",
    summary="Make an account",
    status_code=201,
    response_model=User,
    responses=documented(
        Code.TOO_MANY_LOGINS, Code.EMAIL_TAKEN, Code.USERNAME_TAKEN, Code.PASSWORD_TOO_COMMON, Code.REGISTRATION_CLOSED
    ),
)
async def register(body: Registration, client: AnyClient) -> Response:
    """The e-mail address and the user name must be new; the password at least 8 characters and not a common one.

    User names that differ only in case, dots, hyphens and underscores are the same; some are reserved.
    """
    return User.of(await client.ask(body.command())).response(201)


@auth.post(
    "/login",
    operation_id="login",
    summary="Trade an e-mail address and a password for tokens",
    response_model=Tokens,
    responses=headed(documented(Code.TOO_MANY_LOGINS, Code.INVALID_CREDENTIALS), {200: ("Cache-Control",)}),
)
async def login(body: Credentials, client: AnyClient) -> Response:
    """An unknown address and a wrong password get the same answer."""
    return Tokens.of(await client.ask(body.command())).response(headers=NEVER_STORED)


@auth.post(
    "/refresh",
    operation_id="refreshTokens",
    summary="Trade a refresh token for new tokens",
    response_model=Tokens,
    responses=headed(documented(Code.INVALID_REFRESH_TOKEN), {200: ("Cache-Control",)}),
)
async def refresh(body: RefreshToken, client: AnyClient) -> Response:
    """A refresh token can be used once. Within 30 seconds it can be used again, should the first answer have got lost.

    One that comes back later ends all tokens of its login.
    """
    return Tokens.of(await client.ask(body.command())).response(headers=NEVER_STORED)


@auth.get(
    "/me",
    operation_id="getMe",
    summary="Show the account of the access token",
    response_model=User,
    responses=documented(Code.USER_NOT_FOUND),
)
async def me(user: TokenHolder) -> Response:
    """The account as it is now, not as it was when the token was made."""
    return User.of(await user.ask(GetUser(user_id=user.actor.user_id))).response()


@auth.post(
    "/logout",
    operation_id="logout",
    summary="End the tokens of this login",
    status_code=204,
)
async def logout(user: TokenHolder, request: Request) -> Response:
    """This access token, its refresh token, and all that came of the same login."""
    await user.ask(LogOut(family_id=user.token.family))
    gateway_of(request).revocations.add(user.token.family)
    return Response(status_code=204)


@well_known.get(
    "/jwks.json",
    operation_id="getKeys",
    summary="Show the public keys of access tokens",
    response_model=KeySet,
    responses=headed(documented(EdgeCode.UNAVAILABLE), {200: ("Cache-Control",)}),
)
async def keys(request: Request) -> Response:
    """A JWK Set (RFC 7517); a key is here before the first token is signed with it."""
    published = gateway_of(request).keys.published
    if published is None:
        raise Unavailable("the keys of access tokens are not known yet")
    return KeySet.of(published).response(headers={"Cache-Control": "public, max-age=60"})


NEVER_STORED = {"Cache-Control": "no-store"}
