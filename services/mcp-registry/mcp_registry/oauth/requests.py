"""Requests to authorization servers: bounded in time and size, and without redirects."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

import httpx2
from contracts.refusals import Code
from pydantic import BaseModel, ValidationError
from runtime.http.addresses import AddressNotAllowed, AddressRules, HostNotFound
from runtime.http.guarded_client import ResponseNotAllowed

from mcp_registry.oauth.errors import AuthorizationRefused, AuthorizationServerUnavailable

REQUEST_SECONDS = 10.0
MAX_RESPONSE_BYTES = 64 * 1024
MAX_URL_CHARACTERS = 2000
HTTPS_PORT = 443
SERVER_ERROR, TRY_LATER = 500, frozenset({408, 425, 429})


class Requests:
    """Sends the requests of OAuth with an HTTP client that connects to allowed addresses only."""

    def __init__(self, client: httpx2.AsyncClient, rules: AddressRules) -> None:
        self._client, self._rules = client, rules

    async def send(self, method: str, url: str, *, with_body: bool = True, **content: Any) -> httpx2.Response:
        """Send a request, and return the response with its whole body, or without it if `with_body` is false.

        Raises:
            AuthorizationRefused: the URL or its address is not allowed, or the response is too large.
            AuthorizationServerUnavailable: there is no response in time.
        """
        check_url(url)
        request = self._client.build_request(method, url, **content)
        request.headers.setdefault("Accept", "application/json")
        async with _described(url), asyncio.timeout(REQUEST_SECONDS):
            response = await self._client.send(request, stream=True, follow_redirects=False)
            try:
                body = await response.aread() if with_body else b""
            finally:
                await response.aclose()
        return httpx2.Response(response.status_code, headers=response.headers, content=body, request=request)

    async def check_address(self, url: str) -> None:
        """Check that the address of a URL, which a user will open, is allowed. Raises as `send` does."""
        parsed = httpx2.URL(url)
        async with _described(url), asyncio.timeout(REQUEST_SECONDS):
            await self._rules.addresses(parsed.host, parsed.port or HTTPS_PORT)


@asynccontextmanager
async def _described(url: str) -> AsyncGenerator[None]:
    """Convert the errors of a request."""
    try:
        yield
    except AddressNotAllowed as error:
        raise AuthorizationRefused(Code.ADDRESS_NOT_ALLOWED, str(error)) from error
    except ResponseNotAllowed as error:
        detail = f"The response of {host(url)} is not valid: it is too large or compressed."
        raise AuthorizationRefused(Code.AUTHORIZATION_FAILED, detail) from error
    except HostNotFound as error:
        raise AuthorizationServerUnavailable(f"{host(url)} was not found") from error
    except (TimeoutError, httpx2.TransportError) as error:
        raise AuthorizationServerUnavailable(f"{host(url)} does not answer") from error


def check_url(url: str) -> None:
    """Check that a URL of an authorization server uses TLS; on this machine, it need not.

    Raises:
        AuthorizationRefused: it does not, or has user information, a fragment or too many characters.
    """
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        parsed = httpx2.URL()
    secure = parsed.scheme == "https" or (parsed.scheme == "http" and _is_local(parsed.host))
    if not secure or not parsed.host or parsed.userinfo or parsed.fragment or len(url) > MAX_URL_CHARACTERS:
        detail = f"The authorization server has a URL that is not allowed ({host(url)}): it must be an https URL."
        raise AuthorizationRefused(Code.AUTHORIZATION_FAILED, detail)


def host(url: str) -> str:
    """Return the host of a URL for messages: the rest of it may contain secrets."""
    try:
        return httpx2.URL(url).host[:255] or "no host"
    except httpx2.InvalidURL:
        return "invalid"


def parsed[M: BaseModel](model: type[M], response: httpx2.Response) -> M | None:
    """Return the body of a successful response as a model; None if it is none."""
    if response.status_code not in (200, 201):
        return None
    try:
        return model.model_validate_json(response.content)
    except ValidationError:
        return None


def check_available(response: httpx2.Response) -> None:
    """Check that a server has not failed.

    Raises:
        AuthorizationServerUnavailable: it has, or wants a request to be sent later.
    """
    if response.status_code >= SERVER_ERROR or response.status_code in TRY_LATER:
        where = host(str(response.request.url))
        raise AuthorizationServerUnavailable(f"{where} responds with HTTP status {response.status_code}")


def _is_local(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
