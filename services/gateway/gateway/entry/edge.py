"""The layer around every request: host, id, duration, trace, metrics and log, and unexpected errors."""

import time

from runtime.http import request_id
from runtime.logging import bound_contextvars, get_logger
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from gateway.clients.proxies import Proxies
from gateway.entry import metrics, spans
from gateway.entry.hosts import Hosts
from gateway.entry.parts import Parts
from gateway.problems import EdgeCode, Problem, translation

log = get_logger()

CLIENT_CLOSED_REQUEST = 499
"""The status in metrics and logs of a request whose client closed the connection, as in nginx."""
NO_CLOSE_CODE = 1005
"""The code of a WebSocket that was closed without a code (RFC 6455)."""


class Edge:
    """Wraps the application, as plain ASGI: a middleware of the framework would cost every request more."""

    def __init__(self, app: ASGIApp, parts: Parts, hosts: Hosts, proxies: Proxies) -> None:
        self.app, self.reports, self.hosts, self.proxies = app, parts.audit_reports, hosts, proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or one WebSocket from the handshake to the close."""
        kinds = {"http": _Exchange, "websocket": _Conversation}
        if scope["type"] not in kinds:
            await self.app(scope, receive, send)
            return
        is_trusted = self.proxies.resolve(scope)
        exchange = kinds[scope["type"]](scope, receive, send)
        with bound_contextvars(correlation_id=exchange.request_id), spans.request(scope, is_trusted=is_trusted):
            try:
                await exchange.run(self.app, self.hosts)
            finally:
                exchange.close()
                if problem := scope.get("problem"):
                    self.reports.add(scope, problem)


class _Exchange:
    """One request and its response."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self.started = time.perf_counter()
        self.status = 0
        self.method: str = scope.get("method", "WEBSOCKET")
        self.headers = Headers(scope=scope)
        self.request_id = request_id.accepted_or_new(self.headers.get(request_id.HEADER, ""))
        scope["request_id"] = self.request_id

    async def run(self, app: ASGIApp, hosts: Hosts) -> None:
        try:
            _check_host(self.headers, hosts)
            await app(self.scope, self._receive, self.send)
        except ClientDisconnect:
            self.status = CLIENT_CLOSED_REQUEST
        except Exception as error:
            if self.status:  # the response has begun: its status can no longer be changed
                raise
            await translation.of(error).response(self.scope)(self.scope, self._receive, self.send)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._add_headers(message)
        await self._send(message)

    def _add_headers(self, message: Message) -> None:
        milliseconds = f"{(time.perf_counter() - self.started) * 1000:.2f}"
        message["headers"] = [
            *message.get("headers", ()),
            *((name.lower().encode(), value.encode()) for name, value in self.scope.get("rate_limits", ())),
            (b"x-request-id", self.request_id.encode()),
            (b"x-response-time", milliseconds.encode()),
        ]

    def close(self) -> None:
        path: str = getattr(self.scope.get("route"), "path_format", metrics.UNMATCHED)
        seconds = time.perf_counter() - self.started
        self._count(path, seconds)
        spans.describe(self.scope, self.status)
        # Only the route of the URL is logged: its ids and its query string may hold secrets.
        user = {"user_id": self.scope["user_id"]} if "user_id" in self.scope else {}
        log.info(
            "request", method=self.method, route=path, status=self.status, duration_ms=round(seconds * 1000, 2), **user
        )

    def _count(self, path: str, seconds: float) -> None:
        metrics.count(self.method, path, self.status, seconds)


class _Conversation(_Exchange):
    """One WebSocket; its status is its close code."""

    accepted = False

    async def run(self, app: ASGIApp, hosts: Hosts) -> None:
        try:
            _check_host(self.headers, hosts)
            await app(self.scope, self.receive, self.send)
        except Exception as error:
            if self.accepted:  # `streams.socket` sends problems as messages
                raise
            socket = WebSocket(self.scope, self.receive, self.send)
            await socket.send_denial_response(translation.of(error).response(self.scope))

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self.status = self.status or message.get("code") or NO_CLOSE_CODE
        return message

    async def send(self, message: Message) -> None:
        if message["type"] in ("websocket.accept", "websocket.http.response.start"):
            self._add_headers(message)
        if message["type"] == "websocket.accept":
            self.accepted = True
        elif message["type"] == "websocket.close":
            if not self.accepted:  # no route matches the path
                raise Problem(EdgeCode.NOT_FOUND, "No WebSocket exists at this path.")
            self.status = self.status or message.get("code") or NO_CLOSE_CODE
        elif message["type"] == "websocket.http.response.start":
            self.status = message["status"]
        await self._send(message)

    def _count(self, path: str, seconds: float) -> None:
        """Do nothing: a WebSocket lasts as long as its client wants, and would distort the durations of requests."""


def _check_host(headers: Headers, hosts: Hosts) -> None:
    if not hosts.allow(headers.getlist("host")):
        detail = "This server does not serve this host name. Its operator can add names to ALLOWED_HOSTS."
        raise Problem(EdgeCode.UNKNOWN_HOST, detail)
