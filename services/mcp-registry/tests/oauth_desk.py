"""The commands, queries and jobs of authorizations, on a database of their own and a scripted authorization server."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from contracts.mcp_registry.authorization import (
    AuthorizationRequested,
    AuthorizationReturned,
    AuthorizationView,
    GetAuthorization,
    ReturnAuthorization,
    StartAuthorization,
)
from contracts.mcp_registry.oauth import OAuthSecrets
from contracts.mcp_registry.refresh import RefreshRequested, RequestRefresh
from contracts.mcp_registry.revocation import RevocationRequested
from contracts.mcp_registry.server_view import ServerView
from contracts.messages import Actor
from contracts.refusals import Refusal
from eventing.database import Database
from httpx2 import URL
from mcp_registry.reactions.authorization import ExchangeCode, PrepareAuthorization
from mcp_registry.reactions.refresh import RefreshTokens
from mcp_registry.reactions.revocation import RevokeTokens
from mcp_registry.secret_tables import get_oauth
from runtime.bus.envelope import Envelope
from runtime.clock import new_id

from .desk import Desk
from .samples import NOON, OWNER
from .scripted_server import ISSUER

ISSUED = {
    "access_token": "plantedsecret-access-1",
    "token_type": "Bearer",
    "refresh_token": "plantedsecret-refresh-1",
    "expires_in": 3600,
}


def secret_of(attempt: AuthorizationView) -> dict[str, Any]:
    """Return what the browser that started an attempt sends."""
    return {"browser_secret": attempt.browser_secret, "is_host_secret": True}


class OAuthDesk(Desk):
    """The handlers, queries and jobs, used by `OWNER` unless another actor is named."""

    def __init__(self, database: Database, clock: pytest.MonkeyPatch) -> None:
        super().__init__(database, clock)
        self.server = self.authorization_server
        self.issue(ISSUED)

    def issue(self, tokens: dict[str, Any], status: int = 200) -> None:
        """Set the answer of the token endpoint."""
        self.server.answer(f"{ISSUER}/token", status, json=tokens)

    def requested(self, path: str) -> list[str]:
        """Return the bodies of the requests to an endpoint of the authorization server."""
        return [each.content.decode() for each in self.server.requests if str(each.url) == f"{ISSUER}{path}"]

    async def create_one(self, actor: Actor = OWNER) -> UUID:
        """Create a server, and return its id."""
        return (await self.create(actor=actor)).id

    async def start(self, server_id: UUID, actor: Actor = OWNER, **fields: Any) -> AuthorizationView:
        """Start an authorization, and carry out the job that prepares it."""
        command = StartAuthorization(server_id=server_id, authorization_id=new_id(), **fields)
        started = await self.send(command, actor)
        await self.do(PrepareAuthorization, AuthorizationRequested, server_id)
        return await self.ask(GetAuthorization(server_id=server_id, authorization_id=started.id), actor)

    async def come_back(self, attempt: AuthorizationView, **fields: Any) -> bool:
        """Send the response of the authorization server, from the browser that started; normally a consent."""
        return await self.come_back_as(None, attempt, **(secret_of(attempt) | fields))

    async def come_back_as(self, actor: Actor | None, attempt: AuthorizationView, **fields: Any) -> bool:
        """Send the response of the authorization server from another browser, with the credentials of an actor."""
        state = URL(attempt.authorization_url or "").params["state"]
        command = ReturnAuthorization.model_validate({"state": state, "code": "plantedsecret-code-1"} | fields)
        return await self.dispatcher.send(command, Envelope.begin(actor=actor))

    async def authorize(self, server_id: UUID) -> ServerView:
        """Authorize a server, and return it."""
        await self.come_back(await self.start(server_id))
        await self.exchange(server_id)
        return await self.latest(server_id)

    async def exchange(self, server_id: UUID) -> None:
        """Carry out the job that exchanges the code."""
        await self.do(ExchangeCode, AuthorizationReturned, server_id)

    async def refresh(self, server_id: UUID) -> ServerView:
        """Reach the due time of the tokens, carry out the job that refreshes them, and return the server."""
        await self.send(RequestRefresh(server_id=server_id))
        await self.do(RefreshTokens, RefreshRequested, server_id)
        return await self.latest(server_id)

    async def revoke(self) -> None:
        """Carry out the job that revokes tokens."""
        for row in await self.database.fetch("SELECT id FROM revocations"):
            await self.do(RevokeTokens, RevocationRequested, row["id"])

    async def attempt(self, attempt: AuthorizationView) -> AuthorizationView:
        """Return an attempt as it is now."""
        return await self.ask(GetAuthorization(server_id=attempt.server_id, authorization_id=attempt.id))

    async def secrets(self, server_id: UUID) -> OAuthSecrets:
        """Return the stored secrets of the authorization."""
        return await get_oauth(server_id, self.database)

    async def due_in(self, kind: str) -> list[timedelta]:
        """Return the due times of a kind, as the time from `NOON` on."""
        rows = await self.database.fetch("SELECT at FROM due WHERE kind = $1 ORDER BY at", kind)
        return [row["at"] - NOON for row in rows]


async def refusal(sent: Any) -> Refusal:
    """Return the refusal that awaiting something raises."""
    with pytest.raises(Refusal) as caught:
        await sent
    return caught.value
