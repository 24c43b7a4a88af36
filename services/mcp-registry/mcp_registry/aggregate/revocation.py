"""Revocation: tokens that a server does not use any more, until they are revoked.

They outlive the server: deleting that erases its secrets, and only then its authorization server may be called.
"""

from typing import assert_never
from uuid import UUID

from contracts.mcp_registry.oauth import Tokens
from contracts.mcp_registry.revocation import RevocationEnded, RevocationEvent, RevocationRequested, RevokedTokensSet
from contracts.refusals import Code
from eventing.aggregate import Aggregate


class Revocation(Aggregate[RevocationEvent]):
    """The revocation of tokens."""

    missing = Code.MCP_SERVER_NOT_FOUND
    secrets = {"tokens": RevokedTokensSet}

    user_id: UUID
    tokens: Tokens | None

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.tokens = None

    @property
    def owner(self) -> UUID:
        """The user whose server had the tokens."""
        return self.user_id

    def request(self, user_id: UUID, tokens: Tokens) -> None:
        """Request the revocation."""
        self.record(RevocationRequested(user_id=user_id))
        self.record(RevokedTokensSet(tokens=tokens))

    def end(self, *, revoked: bool) -> None:
        """Record that the tokens were revoked or that this was given up, and erase them."""
        self.record(RevocationEnded(revoked=revoked))

    def apply(self, event: RevocationEvent) -> None:
        """Fold one event."""
        match event:
            case RevocationRequested():
                self.user_id = event.user_id
            case RevokedTokensSet():
                self.tokens = event.tokens
            case RevocationEnded():
                self.deleted = True
            case _:
                assert_never(event)
