"""Value types of the authorization of MCP servers with OAuth."""

from typing import Literal

from pydantic import AwareDatetime, Field

from contracts.messages import Message
from contracts.samples import TIME

type AuthorizationStatus = Literal["pending", "offered", "returned", "authorized", "failed"]
"""`offered`: a user has to open the URL. `returned`: the user came back, and the code is being exchanged for tokens."""
type AuthMethod = Literal["none", "client_secret_basic", "client_secret_post"]
type EndReason = Literal["revoked", "expired", "server_changed"]

AUTHORIZATION_SECONDS = 600
"""How long a user has for opening the URL and consenting."""


class OAuthClient(Message):
    """A client that is registered with an authorization server."""

    client_id: str = Field(min_length=1, max_length=2000)
    client_secret: str | None = Field(default=None, max_length=4000, repr=False)


class Registration(OAuthClient):
    """A client, and how it obtains tokens for the MCP server `resource` from the authorization server `issuer`."""

    issuer: str
    token_endpoint: str
    revocation_endpoint: str | None = None
    auth_method: AuthMethod = "none"
    resource: str
    scope: str | None = None


class PendingAuthorization(Registration):
    """An authorization that a user was offered. `code` is set when the user has returned."""

    authorization_url: str = Field(repr=False)
    redirect_uri: str
    code_verifier: str = Field(repr=False)
    requires_issuer: bool = False
    """Whether the authorization server names itself in its responses (RFC 9207)."""
    code: str | None = Field(default=None, repr=False)
    browser_secret: str | None = Field(default=None, repr=False)
    """What the browser that started the attempt has as a cookie. None for attempts of earlier releases."""


class Tokens(Registration):
    """The tokens of a server. `expires_at` is None if the authorization server did not say when that is."""

    access_token: str = Field(repr=False)
    refresh_token: str | None = Field(default=None, repr=False)
    expires_at: AwareDatetime | None = None


class OAuthSecrets(Message):
    """The secrets of a server's authorization: the client that a user configured, the attempt, and the tokens."""

    client: OAuthClient | None = Field(default=None, repr=False)
    pending: PendingAuthorization | None = Field(default=None, repr=False)
    tokens: Tokens | None = Field(default=None, repr=False)


_REGISTRATION = {
    "client_id": "agentapi",
    "issuer": "https://auth.example.com",
    "token_endpoint": "https://auth.example.com/token",
    "resource": "https://mcp.example.com/mcp",
}
PENDING_SAMPLE = _REGISTRATION | {
    "authorization_url": "https://auth.example.com/authorize?response_type=code",
    "redirect_uri": "https://agents.example.com/api/v1/mcp-servers/oauth/callback",
    "code_verifier": "verifier",
}
TOKENS_SAMPLE = _REGISTRATION | {"access_token": "access", "refresh_token": "refresh", "expires_at": TIME}
