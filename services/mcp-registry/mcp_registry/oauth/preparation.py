"""Prepares an authorization: registers a client (RFC 7591), and builds the URL that a user opens."""

import base64
import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass

import httpx2
from contracts.mcp_registry.oauth import AuthMethod, OAuthClient, PendingAuthorization
from contracts.refusals import Code
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata
from pydantic import AnyUrl

from mcp_registry.oauth.discovery import Discovered, discover
from mcp_registry.oauth.errors import AuthorizationRefused
from mcp_registry.oauth.requests import Requests, check_available, parsed

CLIENT_NAME = "AI-Agent-API"
SECRET_METHODS: tuple[AuthMethod, ...] = ("client_secret_post", "client_secret_basic")
"""The preferred one first: for the other, servers differ in how they decode the secret."""
AUTH_METHODS: tuple[AuthMethod, ...] = (*SECRET_METHODS, "none")
VERIFIER_BYTES = 64
BROWSER_SECRET_BYTES = 32


@dataclass(frozen=True)
class Preparation:
    """Input for preparing an authorization. `scope` replaces the scopes that the server asks for."""

    server_url: str
    redirect_uri: str
    state: str
    client: OAuthClient | None = None
    scope: str | None = None


async def prepare(wanted: Preparation, requests: Requests) -> PendingAuthorization:
    """Return an authorization that a user can be offered. Raises as `discover` does.

    Raises:
        AuthorizationRefused: the authorization server registers no clients, or refuses this one.
    """
    found = await discover(wanted.server_url, requests)
    scope = wanted.scope or found.scope
    client, method = _configured(wanted.client, found) if wanted.client else await _registered(wanted, found, requests)
    verifier = secrets.token_urlsafe(VERIFIER_BYTES)
    revocation = found.metadata.revocation_endpoint
    return PendingAuthorization(
        client_id=client.client_id,
        client_secret=client.client_secret,
        issuer=found.issuer,
        token_endpoint=str(found.metadata.token_endpoint),
        revocation_endpoint=str(revocation) if revocation else None,
        auth_method=method,
        resource=found.resource,
        scope=scope,
        authorization_url=_url(wanted, found, client.client_id, scope, verifier),
        redirect_uri=wanted.redirect_uri,
        code_verifier=verifier,
        requires_issuer=bool(found.metadata.authorization_response_iss_parameter_supported),
        browser_secret=secrets.token_urlsafe(BROWSER_SECRET_BYTES),
    )


def _configured(client: OAuthClient, found: Discovered) -> tuple[OAuthClient, AuthMethod]:
    return client, _method(found) if client.client_secret else "none"


def _method(found: Discovered) -> AuthMethod:
    # RFC 8414: a server that does not say which methods it supports supports client_secret_basic.
    supported = found.metadata.token_endpoint_auth_methods_supported or ["client_secret_basic"]
    return _first_known(supported) or "none"


def _first_known(methods: Collection[str]) -> AuthMethod | None:
    known: AuthMethod
    for known in AUTH_METHODS:
        if known in methods:
            return known
    return None


async def _registered(wanted: Preparation, found: Discovered, requests: Requests) -> tuple[OAuthClient, AuthMethod]:
    endpoint = found.metadata.registration_endpoint
    if endpoint is None:
        detail = "The authorization server does not register clients by itself. Send the client_id of one it knows."
        raise AuthorizationRefused(Code.AUTHORIZATION_NOT_SUPPORTED, detail)
    metadata = OAuthClientMetadata(
        redirect_uris=[AnyUrl(wanted.redirect_uri)],
        client_name=CLIENT_NAME,
        scope=wanted.scope or found.scope,
        token_endpoint_auth_method=_method(found),
        application_type="web" if wanted.redirect_uri.startswith("https:") else "native",
    )
    response = await requests.send("POST", str(endpoint), json=metadata.model_dump(mode="json", exclude_none=True))
    check_available(response)
    return _usable(parsed(OAuthClientInformationFull, response))


def _usable(client: OAuthClientInformationFull | None) -> tuple[OAuthClient, AuthMethod]:
    if client is None:
        detail = "The authorization server did not register this client."
        raise AuthorizationRefused(Code.AUTHORIZATION_FAILED, detail)
    # A server may choose another method than the requested one. RFC 7591: the default is client_secret_basic.
    method = client.token_endpoint_auth_method or ("client_secret_basic" if client.client_secret else "none")
    known = _first_known([method])
    if known is None or (known != "none" and not client.client_secret):
        detail = "The authorization server registered this client with a method that is not supported."
        raise AuthorizationRefused(Code.AUTHORIZATION_NOT_SUPPORTED, detail)
    return OAuthClient(client_id=client.client_id, client_secret=client.client_secret), known


def _url(wanted: Preparation, found: Discovered, client_id: str, scope: str | None, verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    parameters = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": wanted.redirect_uri,
        "state": wanted.state,
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
        "resource": found.resource,
    } | ({"scope": scope} if scope else {})
    # These replace parameters of the same names that the endpoint may have.
    return str(httpx2.URL(str(found.metadata.authorization_endpoint)).copy_merge_params(parameters))
