"""Refreshes the tokens of servers before they expire."""

from contextlib import suppress
from typing import ClassVar

from contracts.mcp_registry.oauth import Tokens
from contracts.mcp_registry.refresh import LoseAuthorization, PostponeRefresh, RecordRefresh, RefreshRequested
from contracts.refusals import Code
from eventing.reactions import Reactions, UnfinishedWork
from eventing.reactions.jobs import Job, JobFailed, JobNotWanted, job
from runtime import clock

from mcp_registry.dependencies import Dependencies
from mcp_registry.oauth.errors import AuthorizationRefused, AuthorizationServerUnavailable

IN_PROGRESS = "SELECT id AS aggregate, refreshing AS work FROM servers WHERE refreshing IS NOT NULL"

reactions = Reactions()


@job(reactions, "refresh_tokens")
class RefreshTokens(Job[Dependencies, RefreshRequested]):
    """Refreshes the tokens of a server, retried while its authorization server is unavailable.

    Where refresh tokens rotate, each can be used once. If a worker is killed before it records the new ones, the next
    one is refused, and the server has to be authorized again.
    """

    unfinished: ClassVar = UnfinishedWork(IN_PROGRESS, lambda recorded: recorded.event.refresh_id)
    give_up_code: ClassVar = Code.AUTHORIZATION_FAILED
    tokens: Tokens | None = None

    async def work(self) -> None:
        """Record new tokens."""
        present = (await self.dependencies.servers.oauth(self.recorded.id)).tokens
        await self.check_wanted()  # then these are not the tokens of a later authorization
        if present is None:
            raise JobNotWanted
        try:
            self.tokens = await self.dependencies.oauth.refresh(present, clock.now())
        except AuthorizationRefused as refused:
            raise JobFailed(refused.code, refused.detail) from refused
        refresh_id = self.event.refresh_id
        await self.reaction.send(RecordRefresh(server_id=self.recorded.id, refresh_id=refresh_id, tokens=self.tokens))

    async def fail(self, failure: JobFailed) -> None:
        """Record that the server has to be authorized again."""
        command = LoseAuthorization(server_id=self.recorded.id, refresh_id=self.event.refresh_id, detail=failure.detail)
        await self.reaction.send(command)

    async def give_up(self) -> None:
        """Try again later. The tokens may have expired by then, but refreshing them still works."""
        await self.reaction.send(PostponeRefresh(server_id=self.recorded.id, refresh_id=self.event.refresh_id))

    async def discard(self) -> None:
        """Revoke the new tokens: the server was deleted or authorized again in the meantime."""
        if self.tokens:
            with suppress(AuthorizationRefused, AuthorizationServerUnavailable):
                await self.dependencies.oauth.revoke(self.tokens)
