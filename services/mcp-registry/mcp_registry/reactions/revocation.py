"""Has tokens revoked that no server uses any more."""

from typing import ClassVar

from contracts.mcp_registry.revocation import EndRevocation, RevocationRequested
from contracts.refusals import Code
from eventing.reactions import Reactions, UnfinishedWork
from eventing.reactions.jobs import Job, JobFailed, JobNotWanted, job
from runtime.logging import get_logger

from mcp_registry.dependencies import Dependencies
from mcp_registry.oauth.errors import AuthorizationRefused

log = get_logger()

IN_PROGRESS = "SELECT id AS aggregate, id AS work FROM revocations"

reactions = Reactions()


@job(reactions, "revoke_tokens")
class RevokeTokens(Job[Dependencies, RevocationRequested]):
    """Has tokens revoked, retried for about a minute. Then they stay valid until they expire, and are erased here."""

    unfinished: ClassVar = UnfinishedWork(IN_PROGRESS, lambda recorded: recorded.id)
    give_up_code: ClassVar = Code.AUTHORIZATION_FAILED

    async def work(self) -> None:
        """Revoke the tokens."""
        tokens = await self.dependencies.servers.revoked_tokens(self.recorded.id)
        if tokens is None:
            raise JobNotWanted
        try:
            revoked = await self.dependencies.oauth.revoke(tokens)
        except AuthorizationRefused as refused:
            raise JobFailed(refused.code, refused.detail) from refused
        await self._end(revoked=revoked)

    async def fail(self, failure: JobFailed) -> None:
        """Record that the tokens could not be revoked."""
        log.warning("tokens could not be revoked", revocation_id=str(self.recorded.id), reason=failure.detail)
        await self._end(revoked=False)

    async def discard(self) -> None:
        """Do nothing: another worker has revoked the tokens."""

    async def _end(self, *, revoked: bool) -> None:
        await self.reaction.send(EndRevocation(revocation_id=self.recorded.id, revoked=revoked))
