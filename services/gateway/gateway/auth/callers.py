"""The client of a request, as a dependency of routes."""

from dataclasses import dataclass
from typing import Annotated

from contracts.identity.values import Role
from contracts.messages import Actor, Command, Query
from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from runtime.bus import Bus
from runtime.envelope import Envelope

from gateway.auth.tokens import Token
from gateway.problems import EdgeCode, Problem
from gateway.state import gateway_of

READS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class Anyone:
    """A client, signed in or not; asks services for what it wants."""

    bus: Bus
    request_id: str

    @property
    def actor(self) -> Actor | None:
        """On whose behalf services are asked."""
        return None

    async def ask[R](self, message: Command[R] | Query[R]) -> R:
        """Send a command or a query on the client's behalf. Raises as `Bus.ask` does."""
        return await self.bus.ask(message, Envelope.begin(correlation_id=self.request_id, actor=self.actor))


@dataclass(frozen=True)
class User(Anyone):
    """A client with a valid access token."""

    token: Token

    @property
    def actor(self) -> Actor:
        """The account that the token was given to."""
        return self.token.actor

    @property
    def role(self) -> Role:
        """What the account is allowed."""
        return self.actor.role


class _Bearer(SecurityBase):
    """Lets in whoever brings a valid access token. Viewers only read, except where they manage their own tokens."""

    def __init__(self, *, viewers_write: bool) -> None:
        self.model = HTTPBearer(bearerFormat="JWT", description="An access token, from `/api/v1/auth/login`.")
        self.scheme_name = "bearer"
        self.viewers_write = viewers_write

    async def __call__(self, request: Request) -> User:
        gateway = gateway_of(request)
        token = await gateway.tokens.verify(_presented(request))
        if token.actor.role == "viewer" and request.method not in READS and not self.viewers_write:
            raise Problem(EdgeCode.FORBIDDEN, "A viewer may only read.")
        return User(gateway.bus, request.scope["request_id"], token)


def _presented(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Problem(EdgeCode.UNAUTHENTICATED, "An access token is needed: `Authorization: Bearer <token>`.")
    return token.strip()


async def _anyone(request: Request) -> Anyone:
    return Anyone(gateway_of(request).bus, request.scope["request_id"])


AnyClient = Annotated[Anyone, Depends(_anyone)]
Caller = Annotated[User, Depends(_Bearer(viewers_write=False))]
TokenHolder = Annotated[User, Depends(_Bearer(viewers_write=True))]
