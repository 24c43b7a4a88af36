"""Authentication of clients: the dependencies by which routes declare who may call them."""

from collections.abc import Collection, Iterator
from typing import Annotated

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from starlette.requests import HTTPConnection

from gateway.api_route import Guard
from gateway.auth.callers import Anyone, User
from gateway.problems import EdgeCode, Problem
from gateway.state import gateway_of

LINK_PARAMETER = "link"
READ_METHODS = frozenset({"GET", "HEAD"})


class _Bearer(Guard):
    """Accepts requests with a valid access token. Viewers may only read, and manage their own tokens."""

    def __init__(self, *, viewers_write: bool) -> None:
        self.model = HTTPBearer(bearerFormat="JWT", description="An access token from `POST /api/v1/auth/login`.")
        self.scheme_name = "bearer"
        self.viewers_write = viewers_write

    async def __call__(self, request: Request) -> Anyone:
        user = await user_of(request, _presented(request))
        if self._refuses_viewers(request.method):
            check_may_write(user)
        return user

    def problems(self, methods: Collection[str]) -> Iterator[EdgeCode]:
        """Return why it can refuse requests with these methods."""
        yield EdgeCode.UNAUTHENTICATED
        if any(map(self._refuses_viewers, methods)):
            yield EdgeCode.FORBIDDEN

    def _refuses_viewers(self, method: str) -> bool:
        return method not in READ_METHODS and not self.viewers_write


def check_may_write(user: User) -> None:
    """Check that a client may change anything.

    Raises:
        Problem: it may only read.
    """
    if user.actor.role == "viewer":
        raise Problem(EdgeCode.FORBIDDEN, "Accounts with the role `viewer` may only read.")


async def user_of(connection: HTTPConnection, presented: str) -> User:
    """Return the client that presented an access token. Raises as `Tokens.verify` does."""
    gateway = gateway_of(connection)
    token = await gateway.tokens.verify(presented)
    connection.scope["user_id"] = str(token.actor.user_id)
    return User(gateway.bus, connection.scope["request_id"], token)


def _presented(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Problem(EdgeCode.UNAUTHENTICATED, "Send an access token: `Authorization: Bearer <token>`.")
    return token.strip()


async def _anyone(request: Request) -> Anyone:
    return Anyone(gateway_of(request).bus, request.scope["request_id"])


class _BearerOrLink(_Bearer):
    """Accepts, besides access tokens, requests with the token of a link; the service of the resource verifies it."""

    async def __call__(self, request: Request) -> Anyone:
        if LINK_PARAMETER in request.query_params:
            return await _anyone(request)
        return await super().__call__(request)


AnyClient = Annotated[Anyone, Depends(_anyone)]
Caller = Annotated[User, Depends(_Bearer(viewers_write=False))]
CallerOrLinkHolder = Annotated[Anyone, Depends(_BearerOrLink(viewers_write=False))]
TokenHolder = Annotated[User, Depends(_Bearer(viewers_write=True))]
