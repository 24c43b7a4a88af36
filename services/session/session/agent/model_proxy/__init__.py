"""The only way out of a sandbox: two routes of the model provider's API. The proxy has the key, the agents have not."""

import asyncio
import socket
import time
from collections.abc import Mapping
from typing import Self, cast

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, TCPConnector, web
from runtime.logging import get_logger

from session.agent.model_proxy.access import FAMILIES, LONG_CONTEXT, Access, Denied
from session.agent.model_proxy.body import NotReadable, models
from session.agent.model_proxy.door import Door, faults
from session.agent.model_proxy.usage import Counted, Tokens

__all__ = ["FAMILIES", "LONG_CONTEXT", "Access", "ModelProxy", "Tokens"]

log = get_logger()

MESSAGES, COUNT = "/v1/messages", "/v1/messages/count_tokens"
BODY_LIMIT = 32 * 2**20
BODY_SECONDS = 30.0
BODIES_READ_AT_ONCE = 2
CONNECTIONS = 1024
TIMEOUT = ClientTimeout(total=None, connect=60, sock_connect=10, sock_read=300)
IDLE_SECONDS = 75
BACKLOG = 16
WARN_SECONDS = 300.0
REJECTED = "the model provider rejects the key: check MODEL_API_KEY"
AWAY = "the model provider cannot be reached: check MODEL_BASE_URL"

CREDENTIALS = {"authorization", "cookie", "x-api-key"}
HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "upgrade"}
OPERATORS = {"anthropic-organization-id", "set-cookie"}
# Both ways bodies are passed in one form: JSON in UTF-8 there, unpacked here. So both sides read them alike.
FORM = {"accept-encoding", "content-encoding", "content-length"}
DROPPED = {*CREDENTIALS, *HOP_BY_HOP, *OPERATORS, *FORM, "expect", "host", "transfer-encoding"}
PLAIN = {"Content-Type": "application/json", "Accept-Encoding": "identity"}


class ModelProxy:
    """Takes the agents' requests at their listeners to the provider at `base_url`, with `api_key` if it wants one."""

    def __init__(self, base_url: str, api_key: str | None) -> None:
        self._base_url = base_url.rstrip("/")
        self._key = {"x-api-key": api_key} if api_key else {}
        self._served: dict[str, tuple[Access, asyncio.Server]] = {}
        self._reading = asyncio.Semaphore(BODIES_READ_AT_ONCE)
        self._warned: dict[str, float] = {}
        app = web.Application(client_max_size=BODY_LIMIT)
        app.add_routes([web.post(route, self._answer) for route in (MESSAGES, COUNT)])
        app.on_response_prepare.append(_last_if_refused)
        # An agent that ends takes its request to the provider with it. What it sends stays as it is.
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=faults(),
            handler_cancellation=True,
            shutdown_timeout=1,
            auto_decompress=False,
            keepalive_timeout=IDLE_SECONDS,
        )

    async def __aenter__(self) -> Self:
        """Make the proxy ready to serve."""
        self._provider = ClientSession(connector=TCPConnector(limit=CONNECTIONS), timeout=TIMEOUT)
        await self._runner.setup()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Break off what is under way and serve no more."""
        for token in list(self._served):
            await self.leave(token)
        await self._runner.cleanup()
        await self._provider.close()

    async def serve(self, listener: socket.socket, token: str, access: Access) -> None:
        """Serve the agent that connects to `listener` and shows `token`, as far as its `access` lets it."""
        door = Door(cast(web.Server, self._runner.server))
        server = await asyncio.get_running_loop().create_server(door, sock=listener, backlog=BACKLOG)
        self._served[token] = access, server

    async def leave(self, token: str) -> None:
        """Serve the agent with this token no more."""
        if served := self._served.pop(token, None):
            served[1].close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        try:
            access = self._access(request)
            length = _length(request)
            async with access.request(length):
                body = await _read(request)
                async with access.reading, self._reading:
                    asked = await asyncio.to_thread(models, body)
                access.check_models(asked)
                counted = access.meter.begin(asked[0], length if request.path == MESSAGES else 0)
                return await self._pass(request, body, counted, response)
        except Denied as denied:
            return _error(denied.status, denied.kind, denied.message)
        except NotReadable as wrong:
            return _error(400, "invalid_request_error", str(wrong))
        except ClientError:
            if response.prepared:
                return _broken_off(request, response)
            self._warn(AWAY)
            return _error(502, "api_error", "The model provider cannot be reached.")
        except TimeoutError:  # the turn is over
            return _broken_off(request, response)

    def _access(self, request: web.Request) -> Access:
        served = self._served.get(_token(request))
        if served is None:
            raise Denied(401, "authentication_error", "This is not the token of a running agent.")
        return served[0]

    async def _pass(
        self, request: web.Request, body: bytes, counted: Counted, response: web.StreamResponse
    ) -> web.StreamResponse:
        whole = False
        try:
            async with self._provider.post(
                self._base_url + request.path_qs,
                headers={**_passing(request.headers), **PLAIN, **self._key},
                data=body,
                allow_redirects=False,
            ) as answer:
                self._look_at(answer.status)
                counted.answered(
                    failed=answer.status != 200 or request.path != MESSAGES,
                    is_stream=answer.content_type == "text/event-stream",
                )
                await _pass_on(answer, request, response, counted)
            whole = True
        finally:
            counted.end(whole=whole)
        return response

    def _look_at(self, status: int) -> None:
        if status in {401, 403}:
            self._warn(REJECTED, status=status)

    def _warn(self, event: str, **more: int) -> None:
        """Log a trouble with the provider once in a while: agents try again, and there may be many of them."""
        now = time.monotonic()
        if now - self._warned.get(event, -WARN_SECONDS) >= WARN_SECONDS:
            self._warned[event] = now
            log.warning(event, **more)


async def _pass_on(
    answer: ClientResponse, request: web.Request, response: web.StreamResponse, counted: Counted
) -> None:
    response.set_status(answer.status)
    response.headers.update(_passing(answer.headers))
    await response.prepare(request)
    async for chunk in answer.content.iter_any():
        counted.feed(chunk)
        await response.write(chunk)


async def _last_if_refused(_request: web.Request, response: web.StreamResponse) -> None:
    """Close the connection: thousands of requests come in one piece, and refusals never let others have a turn."""
    if response.status >= 400:
        response.force_close()
        response.headers["Connection"] = "close"


def _length(request: web.Request) -> int:
    if request.content_length is None:
        raise Denied(411, "invalid_request_error", "A request must tell its length.")
    if request.content_length > BODY_LIMIT:
        raise Denied(413, "request_too_large", f"A request has at most {BODY_LIMIT} bytes.")
    if "Content-Encoding" in request.headers:
        raise Denied(415, "invalid_request_error", "The body must be plain JSON, without a content encoding.")
    return request.content_length


async def _read(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError:
        raise Denied(408, "invalid_request_error", f"The body took longer than {BODY_SECONDS:.0f} s.") from None


def _broken_off(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Break off an answer: the agent must not take it for one that ends there."""
    if request.transport:
        request.transport.abort()
    return response


def _passing(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in DROPPED}


def _token(request: web.Request) -> str:
    return request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")


def _error(status: int, kind: str, message: str) -> web.Response:
    return web.json_response({"type": "error", "error": {"type": kind, "message": message}}, status=status)
