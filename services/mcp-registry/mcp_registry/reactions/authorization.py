"""Authorizes servers: prepares the URL that a user opens, and exchanges the code with which the user returns."""

from contextlib import suppress
from typing import ClassVar

from contracts.mcp_registry.authorization import (
    AuthorizationRequested,
    AuthorizationReturned,
    CompleteAuthorization,
    FailAuthorization,
    OfferAuthorization,
)
from contracts.mcp_registry.oauth import Tokens
from contracts.refusals import Code
from eventing.reactions import Reactions, UnfinishedWork
from eventing.reactions.jobs import Job, JobFailed, JobNotWanted, job
from runtime import clock

from mcp_registry.dependencies import Dependencies
from mcp_registry.oauth.errors import AuthorizationRefused, AuthorizationServerUnavailable
from mcp_registry.oauth.state import hash_state, new_state

TO_PREPARE = "SELECT server_id AS aggregate, id AS work FROM authorizations WHERE status = 'pending'"
TO_EXCHANGE = "SELECT server_id AS aggregate, id AS work FROM authorizations WHERE status = 'returned'"

reactions = Reactions()


class AuthorizationJob[E: AuthorizationRequested | AuthorizationReturned](Job[Dependencies, E]):
    """A step of an authorization. A user waits, so that it is not retried: they can start again."""

    give_up_code: ClassVar = Code.AUTHORIZATION_FAILED

    async def work(self) -> None:
        """Do the step."""
        try:
            await self.authorize()
        except AuthorizationRefused as refused:
            raise JobFailed(refused.code, refused.detail) from refused
        except AuthorizationServerUnavailable as error:
            raise JobFailed(Code.AUTHORIZATION_FAILED, f"{error}. Authorize the server again.") from error

    async def authorize(self) -> None:
        """Do the step. Raises as the functions of the adapter do."""
        raise NotImplementedError

    async def fail(self, failure: JobFailed) -> None:
        """Record that the attempt failed."""
        command = FailAuthorization(
            server_id=self.recorded.id,
            authorization_id=self.event.authorization_id,
            error_code=failure.code,
            error_detail=failure.detail,
        )
        await self.reaction.send(command)

    async def discard(self) -> None:
        """Do nothing: a client that was registered stays so, and is of no use to anybody."""


@job(reactions, "prepare_authorization")
class PrepareAuthorization(AuthorizationJob[AuthorizationRequested]):
    """Finds the authorization server, registers a client, and creates the URL."""

    unfinished: ClassVar = UnfinishedWork(TO_PREPARE, lambda recorded: recorded.event.authorization_id)

    async def authorize(self) -> None:
        """Offer the URL."""
        server_id, oauth = self.recorded.id, self.dependencies.oauth
        url = await self.dependencies.servers.url(server_id)
        secrets = await self.dependencies.servers.oauth(server_id)
        if url is None or oauth.redirect_uri is None:
            raise JobNotWanted
        state = new_state(server_id)
        pending = await oauth.prepare(url, state, secrets.client, self.event.scope)
        command = OfferAuthorization(
            server_id=server_id,
            authorization_id=self.event.authorization_id,
            state_hash=hash_state(state),
            pending=pending,
        )
        await self.reaction.send(command)


@job(reactions, "exchange_code")
class ExchangeCode(AuthorizationJob[AuthorizationReturned]):
    """Exchanges the code for tokens.

    A code can be used once. If a worker is killed after the exchange, the next one is refused, and the attempt fails.
    """

    unfinished: ClassVar = UnfinishedWork(TO_EXCHANGE, lambda recorded: recorded.event.authorization_id)
    tokens: Tokens | None = None

    async def authorize(self) -> None:
        """Record the tokens."""
        pending = (await self.dependencies.servers.oauth(self.recorded.id)).pending
        await self.check_wanted()  # then the code is that of this attempt
        if pending is None:
            raise JobNotWanted
        self.tokens = await self.dependencies.oauth.exchange(pending, clock.now())
        authorization_id = self.event.authorization_id
        command = CompleteAuthorization(
            server_id=self.recorded.id, authorization_id=authorization_id, tokens=self.tokens
        )
        await self.reaction.send(command)

    async def discard(self) -> None:
        """Revoke the tokens: the server was deleted or authorized again in the meantime."""
        if self.tokens:
            with suppress(AuthorizationRefused, AuthorizationServerUnavailable):
                await self.dependencies.oauth.revoke(self.tokens)
