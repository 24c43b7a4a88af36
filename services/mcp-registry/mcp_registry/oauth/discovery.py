"""Finds the authorization server of an MCP server: RFC 9728, then RFC 8414 or OpenID Connect Discovery."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2
from contracts.refusals import Code
from mcp.client.auth.utils import (
    build_oauth_authorization_server_metadata_discovery_urls,
    build_protected_resource_metadata_discovery_urls,
    extract_resource_metadata_from_www_auth,
    extract_scope_from_www_auth,
    get_client_metadata_scopes,
    issuers_match,
)
from mcp.shared.auth import DEFAULT_GRANT_TYPES, OAuthMetadata, ProtectedResourceMetadata
from mcp.shared.auth_utils import check_resource_allowed, resource_url_from_server_url

from mcp_registry.oauth.errors import AuthorizationRefused
from mcp_registry.oauth.requests import Requests, check_available, check_url, parsed

_INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "AI-Agent-API", "version": "1"},
    },
}


@dataclass(frozen=True)
class Discovered:
    """The authorization server of an MCP server, the name of the MCP server as a `resource`, and the scopes it needs.

    `issuer` is the name of the authorization server as it was announced.
    """

    issuer: str
    resource: str
    scope: str | None
    metadata: OAuthMetadata


async def discover(url: str, requests: Requests) -> Discovered:
    """Return the authorization server of the MCP server at `url`.

    Raises:
        AuthorizationRefused: AUTHORIZATION_NOT_SUPPORTED if it has none, or none that supports PKCE with S256;
            AUTHORIZATION_FAILED if its metadata contradict each other or name a URL that is not allowed.
        AuthorizationServerUnavailable: a server does not answer.
    """
    headers = {"Accept": "application/json, text/event-stream"}
    challenge = await requests.send("POST", url, json=_INITIALIZE, headers=headers, with_body=False)
    protected = await _resource_metadata(url, challenge, requests)
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
    issuer = str(protected.authorization_servers[0]) if protected else origin
    metadata = await _server_metadata(issuer, is_announced=protected is not None, requests=requests)
    _check(metadata, issuer)
    await requests.check_address(str(metadata.authorization_endpoint))
    scope = get_client_metadata_scopes(extract_scope_from_www_auth(challenge), protected, metadata, DEFAULT_GRANT_TYPES)
    resource = str(protected.resource) if protected else resource_url_from_server_url(url)
    return Discovered(str(metadata.issuer), resource, scope, metadata)


async def _resource_metadata(
    url: str, challenge: httpx2.Response, requests: Requests
) -> ProtectedResourceMetadata | None:
    announced = extract_resource_metadata_from_www_auth(challenge)
    for candidate in build_protected_resource_metadata_discovery_urls(announced, url):
        response = await requests.send("GET", candidate)
        check_available(response)
        if found := parsed(ProtectedResourceMetadata, response):
            # A token that is issued for another resource could be used by this server there.
            if not check_resource_allowed(resource_url_from_server_url(url), str(found.resource)):
                detail = "The server's metadata (RFC 9728) are those of another resource."
                raise AuthorizationRefused(Code.AUTHORIZATION_FAILED, detail)
            return found
    return None


async def _server_metadata(issuer: str, *, is_announced: bool, requests: Requests) -> OAuthMetadata:
    check_url(issuer)
    candidates = build_oauth_authorization_server_metadata_discovery_urls(issuer if is_announced else None, issuer)
    for candidate in candidates:
        response = await requests.send("GET", candidate)
        check_available(response)
        if found := parsed(OAuthMetadata, response):
            return found
    detail = "The server does not say how to authorize: it publishes no metadata of an authorization server."
    raise AuthorizationRefused(Code.AUTHORIZATION_NOT_SUPPORTED, detail)


def _check(metadata: OAuthMetadata, issuer: str) -> None:
    if not issuers_match(str(metadata.issuer), issuer):
        detail = "The metadata of the authorization server are those of another issuer."
        raise AuthorizationRefused(Code.AUTHORIZATION_FAILED, detail)
    # Without it, a stolen code can be exchanged. A server that does not announce it must not be used.
    if "S256" not in (metadata.code_challenge_methods_supported or []):
        detail = "The authorization server does not support PKCE with S256."
        raise AuthorizationRefused(Code.AUTHORIZATION_NOT_SUPPORTED, detail)
    endpoints = (
        *(metadata.authorization_endpoint, metadata.token_endpoint),
        *(metadata.registration_endpoint, metadata.revocation_endpoint),
    )
    for endpoint in filter(None, endpoints):
        check_url(str(endpoint))
