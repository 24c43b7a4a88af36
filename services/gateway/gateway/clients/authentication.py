"""Authentication of clients: the dependencies by which routes declare who may call them."""

from collections.abc import Iterator
from typing import Annotated

from contracts.identity.values import Scope
from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from runtime.bus import Unavailable
from starlette.requests import HTTPConnection

from gateway.clients.auth.callers import Anyone, User
from gateway.clients.auth.token import ACTS_FOR_ACCOUNT, CLIENT, Token
from gateway.problems import EdgeCode, Problem
from gateway.routing.api_route import Guard

LINK_PARAMETER = "link"
READ_METHODS = frozenset({"GET", "HEAD"})
ADMIN_PREFIX = "/api/v1/admin/"


class _Bearer(Guard):
    """Accepts requests with a valid access token, or with an API key that has the scope that the request needs.

    Viewers may only read, unless `viewers_write`. If `logins_only`, API keys are refused. The scope is `scope`, or
    follows from the path and the method.
    """

    def __init__(self, *, viewers_write: bool = False, logins_only: bool = False, scope: Scope | None = None) -> None:
        self.model = HTTPBearer(
            bearerFormat="JWT", description="An access token from `POST /api/v1/auth/login`, or an API key."
        )
        self.scheme_name = "bearer"
        self.viewers_write, self.logins_only = viewers_write, logins_only
        self.scope: Scope | None = scope

    def admit(self, request: Request) -> Anyone:
        """Return the client. Raises as `user_of` and `User.check` do."""
        user = user_of(request)
        user.check(self.scope or _scope(request), viewers_write=self.viewers_write)
        if self.logins_only and user.token.is_api_key:
            raise Problem(EdgeCode.FORBIDDEN, "API keys cannot do this. Log in, and use an access token.")
        return user

    def problems(self) -> Iterator[EdgeCode]:
        """Return why it can refuse requests."""
        yield from (EdgeCode.UNAUTHENTICATED, EdgeCode.FORBIDDEN)


def user_of(connection: HTTPConnection) -> User:
    """Return the client that `gateway.entry.throttling` has authenticated. Raises as `Tokens.verify` does."""
    authenticated: Token | Problem | Unavailable = connection.scope["authenticated"]
    if not isinstance(authenticated, Token):
        raise authenticated
    connection.scope[ACTS_FOR_ACCOUNT] = True
    client = _client(connection)
    return User(client.bus, client.request_id, authenticated, address=client.address)


def _client(connection: HTTPConnection) -> Anyone:
    return connection.scope[CLIENT]


def _scope(request: Request) -> Scope:
    # By the path, so that no route of administrators can be added without the check.
    if request.scope["path"].startswith(ADMIN_PREFIX):
        return "admin"
    return "read" if request.method in READ_METHODS else "write"


async def _anyone(request: Request) -> Anyone:
    return _client(request)


async def _anyone_or_writer(request: Request) -> Anyone:
    if not isinstance(request.scope["authenticated"], Token):
        return await _anyone(request)
    user = user_of(request)
    user.check("write")
    return user


class _BearerOrLink(_Bearer):
    """Accepts, besides access tokens, requests with the token of a link; the service of the resource verifies it."""

    def admit(self, request: Request) -> Anyone:
        """Return the client, whom the service authenticates if it presents a link."""
        return _client(request) if LINK_PARAMETER in request.query_params else super().admit(request)


AnyClient = Annotated[Anyone, Depends(_anyone)]
AnyoneOrWriter = Annotated[Anyone, Depends(_anyone_or_writer)]
"""For requests that need no credentials; if a client sends valid ones, they have to allow changes."""
Caller = Annotated[User, Depends(_Bearer())]
CallerOrLinkHolder = Annotated[Anyone, Depends(_BearerOrLink())]
TokenHolder = Annotated[User, Depends(_Bearer(viewers_write=True))]
Login = Annotated[User, Depends(_Bearer(viewers_write=True, logins_only=True))]
Reader = Annotated[User, Depends(_Bearer(scope="read"))]
"""For requests that read, or check by themselves whether the caller may write."""
