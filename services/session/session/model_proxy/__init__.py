"""The only way out of a sandbox: two routes of the model provider's API. The proxy has the key, the agents have not."""

import socket
from typing import Self

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, TCPConnector, web

ROUTES = ("/v1/messages", "/v1/messages/count_tokens")
BODY_LIMIT = 32 * 2**20
CONNECTIONS = 1024
TIMEOUT = ClientTimeout(total=None, sock_connect=10, sock_read=300)
CREDENTIALS = {"authorization", "cookie", "x-api-key"}
HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "upgrade"}
DROPPED = {*CREDENTIALS, *HOP_BY_HOP, "expect", "host", "transfer-encoding"}


class ModelProxy:
    """Takes the agents' requests at their listeners to the provider at `base_url`, with `api_key` if it wants one."""

    def __init__(self, base_url: str, api_key: str | None) -> None:
        self._base_url = base_url.rstrip("/")
        self._key = {"x-api-key": api_key} if api_key else {}
        self._sites: dict[str, web.SockSite] = {}
        app = web.Application()
        app.add_routes([web.post(route, self._pass) for route in ROUTES])
        # An agent that ends takes its request to the provider with it.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1)

    async def __aenter__(self) -> Self:
        """Make the proxy ready to serve."""
        # Answers are passed on as they come, packed or not.
        connector = TCPConnector(limit=CONNECTIONS)
        self._provider = ClientSession(connector=connector, timeout=TIMEOUT, auto_decompress=False)
        await self._runner.setup()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Break off what is under way and serve no more."""
        await self._runner.cleanup()
        await self._provider.close()

    async def serve(self, listener: socket.socket, token: str) -> None:
        """Serve the agent that connects to `listener` and shows `token`."""
        site = web.SockSite(self._runner, listener)
        await site.start()
        self._sites[token] = site

    async def leave(self, token: str) -> None:
        """Serve the agent with this token no more."""
        if site := self._sites.pop(token, None):
            await site.stop()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        if _token(request) not in self._sites:
            return _error(401, "authentication_error", "This is not the token of a running agent.")
        if request.content_length is None:
            return _error(411, "invalid_request_error", "A request must tell its length.")
        if request.content_length > BODY_LIMIT:
            return _error(413, "request_too_large", f"A request has at most {BODY_LIMIT} bytes.")
        try:
            async with self._provider.post(
                self._base_url + request.path_qs,
                headers={**_passing(request), **self._key},
                data=request.content,
                allow_redirects=False,
            ) as answer:
                return await _pass_on(answer, request)
        except ClientError:
            return _error(502, "api_error", "The model provider cannot be reached.")


async def _pass_on(answer: ClientResponse, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=_passing(answer))
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
    except ClientError:
        # The agent must see a broken answer, not one that ends early.
        if request.transport:
            request.transport.abort()
    return response


def _passing(message: web.Request | ClientResponse) -> dict[str, str]:
    return {name: value for name, value in message.headers.items() if name.lower() not in DROPPED}


def _token(request: web.Request) -> str:
    return request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")


def _error(status: int, kind: str, message: str) -> web.Response:
    return web.json_response({"type": "error", "error": {"type": kind, "message": message}}, status=status)
