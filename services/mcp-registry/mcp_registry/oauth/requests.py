"""Requests to authorization servers: bounded in time and size, and without redirects."""

import asyncio
from ipaddress import ip_address
from typing import Any

import httpx2
from contracts.refusals import Code
from pydantic import BaseModel, ValidationError

from mcp_registry.oauth.errors import AuthorizationRefused, AuthorizationServerUnavailable

REQUEST_SECONDS = 10.0
MAX_RESPONSE_BYTES = 64 * 1024
MAX_URL_CHARACTERS = 2000
SERVER_ERROR, TRY_LATER = 500, frozenset({408, 425, 429})


class Requests:
    """Sends the requests of OAuth with an HTTP client that connects to allowed addresses only."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def send(self, method: str, url: str, *, with_body: bool = True, **content: Any) -> httpx2.Response:
        """Send a request, and return the response with its whole body, or without it if `with_body` is false.

        Raises:
            AuthorizationRefused: the URL is not allowed, or the response is too large.
            AuthorizationServerUnavailable: there is no response in time.
        """
        check_url(url)
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"} | content.pop("headers", {})
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await self._send(self._client.build_request(method, url, headers=headers, **content), with_body)
        except (TimeoutError, httpx2.TransportError) as error:
            raise AuthorizationServerUnavailable(f"{host(url)} does not answer") from error

    async def _send(self, request: httpx2.Request, with_body: bool) -> httpx2.Response:
        response = await self._client.send(request, stream=True, follow_redirects=False)
        try:
            body = await _body(response) if with_body else b""
        finally:
            await response.aclose()
        return httpx2.Response(response.status_code, headers=response.headers, content=body, request=request)


async def _body(response: httpx2.Response) -> bytes:
    where, body = host(str(response.request.url)), bytearray()
    # A small compressed response could become a large one before its size is known.
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise AuthorizationRefused(Code.AUTHORIZATION_FAILED, f"The response of {where} is compressed.")
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_RESPONSE_BYTES:
            detail = f"The response of {where} is larger than {MAX_RESPONSE_BYTES} bytes."
            raise AuthorizationRefused(Code.AUTHORIZATION_FAILED, detail)
    return bytes(body)


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
