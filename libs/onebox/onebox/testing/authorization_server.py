"""A real authorization server, and an MCP server that it protects, both made of the official package."""

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx2
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    OAuthAuthorizationServerProvider,
    RefreshToken,
    TokenError,
    construct_redirect_uri,
)
from mcp.server.auth.routes import create_auth_routes
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions, RevocationOptions
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyHttpUrl
from runtime.http.health import serving
from starlette.applications import Starlette
from starlette.types import ASGIApp

from onebox.ports import ReservedPort
from onebox.testing.planted import planted

SCOPE = "mcp"


@dataclass
class Provider(OAuthAuthorizationServerProvider[AuthorizationCode, RefreshToken, AccessToken]):
    """The state of the authorization server. Every user consents. Codes and refresh tokens can be used once.

    A refresh token that is used twice revokes all tokens, because one of the two users is a thief.
    """

    lifetime: int = 3600
    clients: dict[str, OAuthClientInformationFull] = field(default_factory=dict[str, OAuthClientInformationFull])
    codes: dict[str, AuthorizationCode] = field(default_factory=dict[str, AuthorizationCode])
    access: dict[str, AccessToken] = field(default_factory=dict[str, AccessToken])
    refresh: dict[str, RefreshToken] = field(default_factory=dict[str, RefreshToken])
    used: set[str] = field(default_factory=set[str])
    reused: int = 0

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        """Return a client that was registered."""
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        """Register a client."""
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        """Return the URL with the code, to which the user who consents is sent."""
        code = AuthorizationCode(
            code=planted(secrets.token_urlsafe()),
            scopes=params.scopes or [],
            expires_at=time.time() + 60,
            client_id=client.client_id,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        self.codes[code.code] = code
        return construct_redirect_uri(str(params.redirect_uri), code=code.code, state=params.state)

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        """Return a code that was not used."""
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        """Return tokens for a code, which is used up."""
        del self.codes[authorization_code.code]
        return self._issue(client.client_id, authorization_code.scopes, authorization_code.resource)

    async def load_refresh_token(self, client: OAuthClientInformationFull, refresh_token: str) -> RefreshToken | None:
        """Return a refresh token that is valid; one that is used again revokes all tokens."""
        if refresh_token in self.used:
            self.reused += 1
            self.access.clear()
            self.refresh.clear()
        return self.refresh.get(refresh_token)

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        """Return new tokens for a refresh token, which is used up."""
        if refresh_token.token not in self.refresh:
            raise TokenError("invalid_grant")
        del self.refresh[refresh_token.token]
        self.used.add(refresh_token.token)
        return self._issue(client.client_id, scopes, refresh_token.resource)

    async def load_access_token(self, token: str) -> AccessToken | None:
        """Return an access token that is valid."""
        return self.access.get(token)

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return an access token that is valid, for the MCP server."""
        return self.access.get(token)

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        """Revoke a token."""
        self.access.pop(token.token, None)
        self.refresh.pop(token.token, None)

    def _issue(self, client_id: str, scopes: list[str], resource: str | None) -> OAuthToken:
        access, refresh = (planted(secrets.token_urlsafe()) for _ in range(2))
        expires_at = int(time.time()) + self.lifetime
        self.access[access] = AccessToken(
            token=access, client_id=client_id, scopes=scopes, resource=resource, expires_at=expires_at
        )
        self.refresh[refresh] = RefreshToken(token=refresh, client_id=client_id, scopes=scopes, resource=resource)
        return OAuthToken(
            access_token=access, refresh_token=refresh, expires_in=self.lifetime, scope=" ".join(scopes) or None
        )


@dataclass
class Protected:
    """The URL of a protected MCP server, that of its authorization server, and the state of the latter."""

    url: str
    issuer: str
    provider: Provider


@asynccontextmanager
async def protected_server() -> AsyncGenerator[Protected]:
    """Run an authorization server and an MCP server that accepts only its tokens."""
    provider = Provider()
    with ReservedPort() as issuer_port, ReservedPort() as port:
        issuer, url = f"http://127.0.0.1:{issuer_port.number}", f"http://127.0.0.1:{port.number}/mcp"
        async with (
            serving(authorization_app(provider, issuer), "127.0.0.1", issuer_port.number),
            serving(_resource_app(provider, issuer, url), "127.0.0.1", port.number),
        ):
            yield Protected(url, issuer, provider)


def authorization_app(provider: Provider, issuer: str) -> ASGIApp:
    """Return the application of the authorization server."""
    routes = create_auth_routes(
        provider,
        AnyHttpUrl(issuer),
        client_registration_options=ClientRegistrationOptions(enabled=True, valid_scopes=[SCOPE]),
        revocation_options=RevocationOptions(enabled=True),
    )
    return Starlette(routes=routes)


def _resource_app(provider: Provider, issuer: str, url: str) -> ASGIApp:
    settings = AuthSettings(
        issuer_url=AnyHttpUrl(issuer),
        resource_server_url=AnyHttpUrl(url),
        required_scopes=[SCOPE],
        validate_token_resource=True,
    )
    server = MCPServer("protected", auth=settings, token_verifier=provider)

    @server.tool()
    def whoami() -> str:  # pyright: ignore[reportUnusedFunction]
        """Returns who is authorized."""
        return "an authorized user"

    return server.streamable_http_app()


async def consent(authorization_url: str) -> dict[str, str]:
    """Open the URL as the browser of a user who consents; return the parameters of the redirect back."""
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as browser:
        response = await browser.get(authorization_url)
    if response.status_code != HTTPStatus.FOUND:
        raise AssertionError(response.text)
    return dict(httpx2.URL(response.headers["location"]).params)
