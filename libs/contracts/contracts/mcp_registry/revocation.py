"""All messages about the revocation of tokens that MCP servers no longer use."""

from uuid import UUID

from pydantic import Field

from contracts.mcp_registry.oauth import TOKENS_SAMPLE, Tokens
from contracts.messages import Command, Event
from contracts.samples import AUTHORIZATION, USER


class EndRevocation(Command[None]):
    """Record that tokens were revoked, or that this was given up."""

    subject = "cmd.mcp_registry.end_revocation"
    senders = ()
    sample = {"revocation_id": AUTHORIZATION, "revoked": True}

    revocation_id: UUID
    revoked: bool


class RevocationRequested(Event):
    """The revocation of tokens that are no longer used was requested."""

    published = False
    subject = "evt.mcp_registry.revocation_requested"
    sample = {"user_id": USER}

    user_id: UUID


class RevokedTokensSet(Event):
    """The tokens to revoke were set."""

    secret = True
    subject = "evt.mcp_registry.revoked_tokens_set"
    sample = {"tokens": TOKENS_SAMPLE}

    tokens: Tokens | None = Field(default=None, repr=False)


class RevocationEnded(Event):
    """Tokens were revoked, or that was given up; they are erased."""

    published = False
    subject = "evt.mcp_registry.revocation_ended"
    sample = {"revoked": True}

    revoked: bool


type RevocationEvent = RevocationRequested | RevokedTokensSet | RevocationEnded
