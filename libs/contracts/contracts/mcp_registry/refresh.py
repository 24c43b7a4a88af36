"""All messages about refreshing the tokens of MCP servers."""

from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.mcp_registry.oauth import TOKENS_SAMPLE, Tokens
from contracts.messages import Command, Event
from contracts.samples import AUTHORIZATION, MCP_SERVER, TIME


class RequestRefresh(Command[None]):
    """Request new tokens, before those of a server expire."""

    subject = "cmd.mcp_registry.request_refresh"
    senders = ()
    sample = {"server_id": MCP_SERVER}

    server_id: UUID


class RecordRefresh(Command[None]):
    """Record the tokens that a refresh returned."""

    subject = "cmd.mcp_registry.record_refresh"
    senders = ()
    sample = {"server_id": MCP_SERVER, "refresh_id": AUTHORIZATION, "tokens": TOKENS_SAMPLE}

    server_id: UUID
    refresh_id: UUID
    tokens: Tokens = Field(repr=False)


class PostponeRefresh(Command[None]):
    """Record that the authorization server is unavailable: the refresh is requested again later."""

    subject = "cmd.mcp_registry.postpone_refresh"
    senders = ()
    sample = {"server_id": MCP_SERVER, "refresh_id": AUTHORIZATION}

    server_id: UUID
    refresh_id: UUID


class LoseAuthorization(Command[None]):
    """Record that the authorization server refuses to refresh the tokens: the server has to be authorized again."""

    subject = "cmd.mcp_registry.lose_authorization"
    senders = ()
    sample = {"server_id": MCP_SERVER, "refresh_id": AUTHORIZATION, "detail": "The refresh token has expired."}

    server_id: UUID
    refresh_id: UUID
    detail: str


class RefreshRequested(Event):
    """New tokens were requested for a server."""

    published = False
    subject = "evt.mcp_registry.refresh_requested"
    sample = {"refresh_id": AUTHORIZATION}

    refresh_id: UUID


class TokensRefreshed(Event):
    """A server has new tokens."""

    published = False
    subject = "evt.mcp_registry.tokens_refreshed"
    sample = {"expires_at": TIME, "refresh_at": TIME}

    expires_at: AwareDatetime | None
    refresh_at: AwareDatetime | None


class RefreshPostponed(Event):
    """The authorization server was unavailable; the tokens are refreshed at `refresh_at`."""

    published = False
    subject = "evt.mcp_registry.refresh_postponed"
    sample = {"refresh_at": TIME}

    refresh_at: AwareDatetime


RefreshEvent = RefreshRequested | TokensRefreshed | RefreshPostponed
