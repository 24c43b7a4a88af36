"""An HTTP client for URLs that users name: every connection goes to an address that the rules permit.

The check is made where the connection is opened, so that it also holds for redirects and reconnections. TLS and the
Host header keep the name of the URL. Proxies, netrc and cookies are not used; responses are bounded and uncompressed.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, cast

import httpcore2
import httpx2

from runtime.http.addresses import Address, AddressNotAllowed, AddressRules

CONNECT_SECONDS = 10.0
MAX_ATTEMPTS = 4
"""Addresses of a host that are tried."""
ATTEMPT_SECONDS = 3.0
MAX_CONNECTIONS = 20
MAX_REDIRECTS = 5


class ResponseNotAllowed(httpx2.TransportError):
    """A response is too large, or compressed although the request forbids it."""


def guarded_client(
    rules: AddressRules, max_response_bytes: int, *, headers: Mapping[str, str] | None = None, timeout: float = 30
) -> httpx2.AsyncClient:
    """Return a client, to be used as a context manager. It follows redirects only if a request asks for it.

    Requests raise AddressNotAllowed and HostNotFound, and the errors of httpx2. `timeout` is in seconds, for each read
    and write.
    """
    return client_over(GuardedTransport(rules, max_response_bytes), headers=headers, timeout=timeout)


def client_over(
    transport: "GuardedTransport", *, headers: Mapping[str, str] | None = None, timeout: float = 30
) -> httpx2.AsyncClient:
    """Return a client that uses a transport, as `guarded_client` does."""
    return httpx2.AsyncClient(
        transport=transport,
        headers=headers,
        timeout=httpx2.Timeout(timeout, connect=CONNECT_SECONDS),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=False,
        max_redirects=MAX_REDIRECTS,
        trust_env=False,
    )


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """HTTP/1.1 over connections that the rules permit. A response has at most `max_response_bytes`."""

    def __init__(self, rules: AddressRules, max_response_bytes: int, *, max_connections: int = MAX_CONNECTIONS) -> None:
        # The constructor of the base class would create a pool that is not guarded.
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=_ssl_context(), max_connections=max_connections, network_backend=GuardedBackend(rules)
        )
        self._max_response_bytes = max_response_bytes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request."""
        if request.url.scheme not in {"http", "https"} or request.url.userinfo:
            raise AddressNotAllowed("A URL must begin with http:// or https://, without a user name and password.")
        if request.url.port is not None and not 0 < request.url.port < 65536:
            raise AddressNotAllowed("The port of a URL must be between 1 and 65535.")
        request.headers["Accept-Encoding"] = "identity"
        response = await super().handle_async_request(request)
        try:
            response.stream = self.bounded(response)
        except httpx2.TransportError:
            await response.aclose()
            raise
        return response

    def bounded(self, response: httpx2.Response) -> httpx2.AsyncByteStream:
        """Return the bounded body of a response. Raise ResponseNotAllowed if the headers say that it is not."""
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ResponseNotAllowed("The response is compressed, which the request forbids.")
        length = response.headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > self._max_response_bytes:
            raise _too_large(self._max_response_bytes)
        return _BoundedStream(response.stream, self._max_response_bytes)


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections to permitted addresses of a host."""

    def __init__(self, rules: AddressRules) -> None:
        self._rules = rules
        self._backend = cast(httpcore2.AsyncNetworkBackend, httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the signature of the base class
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address of the host that answers. Raise AddressNotAllowed and HostNotFound."""
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._rules.addresses(host, port)
                return await self._connect(addresses[:MAX_ATTEMPTS], port)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout from error

    async def _connect(self, addresses: list[Address], port: int) -> httpcore2.AsyncNetworkStream:
        *others, last = addresses
        for address in others:
            try:
                return await self._backend.connect_tcp(str(address), port, timeout=ATTEMPT_SECONDS)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await self._backend.connect_tcp(str(last), port)

    async def sleep(self, seconds: float) -> None:
        """Wait between attempts, of which the pool makes none."""
        await asyncio.sleep(seconds)


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: Any, max_bytes: int) -> None:
        self._stream = stream
        self._max_bytes = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for chunk in self._stream:
            received += len(chunk)
            if received > self._max_bytes:
                raise _too_large(self._max_bytes)
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def _too_large(max_bytes: int) -> ResponseNotAllowed:
    return ResponseNotAllowed(f"The response exceeds {max_bytes // 1024} KiB.")


@cache
def _ssl_context() -> ssl.SSLContext:
    """Return the trusted certificates, whose loading takes time: those of the system, or of SSL_CERT_FILE."""
    return httpx2.create_ssl_context()
