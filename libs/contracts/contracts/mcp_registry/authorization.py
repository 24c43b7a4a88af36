"""All messages about attempts to authorize MCP servers with OAuth, and about the tokens that they end with."""

from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.mcp_registry.oauth import (
    PENDING_SAMPLE,
    TOKENS_SAMPLE,
    AuthorizationStatus,
    EndReason,
    OAuthClient,
    OAuthSecrets,
    PendingAuthorization,
    Tokens,
)
from contracts.messages import Command, Event, Failure, Message, Query
from contracts.refusals import Code
from contracts.samples import AUTHORIZATION, MCP_SERVER, TIME

_FAILURE = {"error_code": "AUTHORIZATION_FAILED", "error_detail": "The authorization server refused the client."}


class AuthorizationView(Message):
    """An attempt to authorize a server. `authorization_url` is what its owner has to open while it is `offered`.

    `browser_secret` is for the browser that opens it: it has to come back with it.
    """

    id: UUID
    server_id: UUID
    status: AuthorizationStatus
    authorization_url: str | None = Field(repr=False)
    expires_at: AwareDatetime
    error_code: Code | None
    error_detail: str | None
    browser_secret: str | None = Field(default=None, repr=False)


class GetAuthorization(Query[AuthorizationView]):
    """Return an attempt to authorize a server, to its owner or an admin. Only the newest one of a server exists."""

    subject = "qry.mcp_registry.get_authorization"
    sample = {"server_id": MCP_SERVER, "authorization_id": AUTHORIZATION}

    server_id: UUID
    authorization_id: UUID


class StartAuthorization(Command[AuthorizationView]):
    """Start authorizing a server, in place of an attempt in progress. The URL is created in the background.

    `client` is used instead of registering one; `scope` replaces the scopes that the server asks for.
    """

    subject = "cmd.mcp_registry.start_authorization"
    outcome_query = GetAuthorization
    sample = {"server_id": MCP_SERVER, "authorization_id": AUTHORIZATION}

    server_id: UUID
    authorization_id: UUID
    client: OAuthClient | None = None
    scope: str | None = Field(default=None, max_length=2000)


class OfferAuthorization(Command[None]):
    """Record the URL that the owner has to open; `state_hash` is the SHA-256 of its `state` in hexadecimal."""

    subject = "cmd.mcp_registry.offer_authorization"
    senders = ()
    sample = {
        "server_id": MCP_SERVER,
        "authorization_id": AUTHORIZATION,
        "state_hash": "00" * 32,
        "pending": PENDING_SAMPLE,
    }

    server_id: UUID
    authorization_id: UUID
    state_hash: str
    pending: PendingAuthorization = Field(repr=False)


class ReturnAuthorization(Command[bool]):
    """Record the response with which an authorization server sends the user back.

    The message is from the browser that started (`browser_secret`), or its actor may change the server. If the service
    has a public URL with TLS, only this host may have set the secret in the browser (`is_host_secret`).
    The result is whether the user consented.
    Refused with AUTHORIZATION_FAILED if `state` is not that of an authorization in progress, or was used before, and if
    the message is from somebody else.
    """

    subject = "cmd.mcp_registry.return_authorization"
    sample = {"state": "c3RhdGU", "code": "Y29kZQ"}

    state: str = Field(max_length=500, repr=False)
    code: str | None = Field(default=None, max_length=4000, repr=False)
    issuer: str | None = Field(default=None, max_length=2000)
    error: str | None = Field(default=None, max_length=2000)
    browser_secret: str | None = Field(default=None, max_length=200, repr=False)
    is_host_secret: bool = False


class CompleteAuthorization(Command[None]):
    """Record the tokens that were exchanged for the code."""

    subject = "cmd.mcp_registry.complete_authorization"
    senders = ()
    sample = {"server_id": MCP_SERVER, "authorization_id": AUTHORIZATION, "tokens": TOKENS_SAMPLE}

    server_id: UUID
    authorization_id: UUID
    tokens: Tokens = Field(repr=False)


class FailAuthorization(Failure, Command[None]):
    """Record that an attempt to authorize a server failed."""

    subject = "cmd.mcp_registry.fail_authorization"
    senders = ()
    sample = _FAILURE | {"server_id": MCP_SERVER, "authorization_id": AUTHORIZATION}

    server_id: UUID
    authorization_id: UUID


class ExpireAuthorization(Command[None]):
    """Fail an attempt to authorize a server that its owner has not completed in time."""

    subject = "cmd.mcp_registry.expire_authorization"
    senders = ()
    sample = {"server_id": MCP_SERVER, "authorization_id": AUTHORIZATION}

    server_id: UUID
    authorization_id: UUID


class RevokeAuthorization(Command[None]):
    """Forget the tokens of a server, and have its authorization server revoke them in the background."""

    subject = "cmd.mcp_registry.revoke_authorization"
    sample = {"server_id": MCP_SERVER}

    server_id: UUID


class AuthorizationRequested(Event):
    """The authorization of a server was requested."""

    published = False
    subject = "evt.mcp_registry.authorization_requested"
    sample = {"authorization_id": AUTHORIZATION, "expires_at": TIME}

    authorization_id: UUID
    expires_at: AwareDatetime
    scope: str | None = None


class AuthorizationOffered(Event):
    """A user can authorize a server, with the state that has this hash."""

    published = False
    subject = "evt.mcp_registry.authorization_offered"
    sample = {"authorization_id": AUTHORIZATION, "state_hash": "00" * 32}

    authorization_id: UUID
    state_hash: str


class AuthorizationReturned(Event):
    """A user has authorized a server, which requests the exchange of the code for tokens. The state is used up."""

    published = False
    subject = "evt.mcp_registry.authorization_returned"
    sample = {"authorization_id": AUTHORIZATION}

    authorization_id: UUID


class OAuthSecretsSet(OAuthSecrets, Event):
    """The secrets of a server's authorization were set."""

    secret = True
    subject = "evt.mcp_registry.oauth_secrets_set"
    sample = {"pending": PENDING_SAMPLE, "tokens": TOKENS_SAMPLE}


class ServerAuthorized(Event):
    """A server has tokens; they are refreshed at `refresh_at`, or expire then."""

    subject = "evt.mcp_registry.authorized"
    sample = {
        "authorization_id": AUTHORIZATION,
        "issuer": "https://auth.example.com",
        "scope": "mcp",
        "expires_at": TIME,
        "refresh_at": TIME,
    }

    authorization_id: UUID
    issuer: str
    scope: str | None
    expires_at: AwareDatetime | None
    refresh_at: AwareDatetime | None


class AuthorizationFailed(Failure, Event):
    """An attempt to authorize a server failed. Tokens of an earlier one remain."""

    subject = "evt.mcp_registry.authorization_failed"
    sample = _FAILURE | {"authorization_id": AUTHORIZATION}

    authorization_id: UUID


class AuthorizationEnded(Event):
    """A server has no tokens any more: it has to be authorized again."""

    subject = "evt.mcp_registry.authorization_ended"
    sample = {"reason": "expired", "detail": "The refresh token has expired."}

    reason: EndReason
    detail: str


AuthorizationEvent = (
    AuthorizationRequested
    | AuthorizationOffered
    | AuthorizationReturned
    | OAuthSecretsSet
    | ServerAuthorized
    | AuthorizationFailed
    | AuthorizationEnded
)
