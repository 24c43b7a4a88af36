"""The model proxy, the only way out of a sandbox: it forwards two routes of the provider's API and adds the API key."""

import asyncio
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Self, cast

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, TCPConnector, web
from runtime.logging import get_logger

from session.agent.model_proxy import spans
from session.agent.model_proxy.access import Access, Denied
from session.agent.model_proxy.body import InvalidBody, checked
from session.agent.model_proxy.connection_limit import ConnectionLimiter, server_logger
from session.agent.model_proxy.headers import answer_headers, request_headers
from session.agent.model_proxy.usage import AnswerMeter, Tokens

__all__ = ["Access", "ModelProxy", "Tokens"]

log = get_logger()

MESSAGES, COUNT = "/v1/messages", "/v1/messages/count_tokens"
OPERATIONS = {MESSAGES: "chat", COUNT: "count_tokens"}
BODY_LIMIT = 32 * 2**20
BODY_SECONDS = 30.0
MAX_CONCURRENT_BODY_SCANS = 2
MAX_CONNECTIONS = 1024
TIMEOUT = ClientTimeout(total=None, connect=60, sock_connect=10, sock_read=300)
IDLE_SECONDS = 75
BACKLOG = 16
WARN_SECONDS = 300.0
KEY_REJECTED = "model provider rejected the key: check MODEL_API_KEY"
PROVIDER_UNREACHABLE = "model provider unreachable: check MODEL_BASE_URL"


class ModelProxy:
    """Forwards requests from the agents' listeners to the provider at `base_url`, with `api_key` if it is set."""

    def __init__(self, base_url: str, api_key: str | None) -> None:
        self._base_url = base_url.rstrip("/")
        self._key = {"x-api-key": api_key} if api_key else {}
        self._served: dict[str, tuple[Access, asyncio.Server]] = {}
        self._reading = asyncio.Semaphore(MAX_CONCURRENT_BODY_SCANS)
        self._warned: dict[str, float] = {}
        app = web.Application(client_max_size=BODY_LIMIT)
        app.add_routes([web.post(route, self._answer) for route in (MESSAGES, COUNT)])
        app.on_response_prepare.append(_close_if_refused)
        # The request to the provider is cancelled when the agent disconnects. Request bodies are not decompressed.
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=server_logger(),
            handler_cancellation=True,
            shutdown_timeout=1,
            auto_decompress=False,
            keepalive_timeout=IDLE_SECONDS,
        )

    async def __aenter__(self) -> Self:
        """Start the proxy."""
        self._provider = ClientSession(connector=TCPConnector(limit=MAX_CONNECTIONS), timeout=TIMEOUT)
        await self._runner.setup()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cancel the running requests and stop the proxy."""
        for token in list(self._served):
            await self.stop_serving(token)
        await self._runner.cleanup()
        await self._provider.close()

    async def serve(self, listener: socket.socket, token: str, access: Access) -> None:
        """Serve the agent that connects to `listener` and authenticates with `token`, within its `access`."""
        limiter = ConnectionLimiter(cast(web.Server, self._runner.server))
        server = await asyncio.get_running_loop().create_server(limiter, sock=listener, backlog=BACKLOG)
        self._served[token] = access, server

    async def stop_serving(self, token: str) -> None:
        """Stop serving the agent with this token. Does nothing if it is unknown."""
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
                    requested = await asyncio.to_thread(checked, body)
                access.check_requested(requested)
                await access.check_spending()
                async with access.forwarding(), _charged(access):
                    model = requested.models[0]
                    meter = access.meter.begin(model, length if request.path == MESSAGES else 0)
                    with access.origin.resumed(), spans.model_request(OPERATIONS[request.path], model):
                        return await self._forward(request, body, meter, response)
        except Denied as denied:
            return _error(denied.status, denied.kind, denied.message)
        except InvalidBody as wrong:
            return _error(400, "invalid_request_error", str(wrong))
        except ClientError:
            if response.prepared:
                return _cut_off(request, response)
            self._warn(PROVIDER_UNREACHABLE)
            return _error(502, "api_error", "The model provider cannot be reached.")
        except TimeoutError:  # the turn is over
            return _aborted(request, response)

    def _access(self, request: web.Request) -> Access:
        served = self._served.get(_token(request))
        if served is None:
            raise Denied(401, "authentication_error", "The token does not belong to a running agent.")
        return served[0]

    async def _forward(
        self, request: web.Request, body: bytes, meter: AnswerMeter, response: web.StreamResponse
    ) -> web.StreamResponse:
        complete = False
        try:
            async with self._provider.post(
                self._base_url + request.path_qs,
                headers=request_headers(request.headers) | self._key,
                data=body,
                allow_redirects=False,
            ) as answer:
                self._warn_if_rejected(answer.status)
                meter.begin_answer(
                    free=answer.status != 200 or request.path != MESSAGES,
                    is_stream=answer.content_type == "text/event-stream",
                )
                await _forward_body(answer, request, response, meter)
                spans.describe_answer(answer.status)
            complete = True
        finally:
            meter.end(complete=complete)
            spans.describe_usage(meter.tokens)
        return response

    def _warn_if_rejected(self, status: int) -> None:
        if status in {401, 403}:
            self._warn(KEY_REJECTED, status=status)

    def _warn(self, event: str, **more: int) -> None:
        """Log a problem with the provider, at most every five minutes, because many agents may retry."""
        now = time.monotonic()
        if now - self._warned.get(event, -WARN_SECONDS) >= WARN_SECONDS:
            self._warned[event] = now
            log.warning(event, **more)


@asynccontextmanager
async def _charged(access: Access) -> AsyncGenerator[None]:
    """Charge the user with the cost of the turn at the end of a request, even if it is cut off."""
    meter, spending = access.meter, access.spending
    try:
        yield
    finally:
        if spending:
            await spending.charge(meter.cost_usd)


async def _forward_body(
    answer: ClientResponse, request: web.Request, response: web.StreamResponse, meter: AnswerMeter
) -> None:
    response.set_status(answer.status)
    response.headers.update(answer_headers(answer.headers))
    await response.prepare(request)
    async for chunk in answer.content.iter_any():
        meter.feed(chunk)
        await response.write(chunk)


async def _close_if_refused(_request: web.Request, response: web.StreamResponse) -> None:
    """Close the connection after an error.

    Pipelined requests that are refused never suspend, so thousands of them would block the event loop.
    """
    if response.status >= 400:
        response.force_close()
        response.headers["Connection"] = "close"


def _length(request: web.Request) -> int:
    if request.content_length is None:
        raise Denied(411, "invalid_request_error", "The request has no Content-Length.")
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


def _cut_off(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Close the connection after what was received, without the end by which an agent knows a complete answer.

    The agent asks the model to go on after that text, so none of it may be lost.
    """
    if request.transport:
        request.transport.close()
    return response


def _aborted(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Close the connection at once."""
    if request.transport:
        request.transport.abort()
    return response


def _token(request: web.Request) -> str:
    return request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")


def _error(status: int, kind: str, message: str) -> web.Response:
    return web.json_response({"type": "error", "error": {"type": kind, "message": message}}, status=status)
