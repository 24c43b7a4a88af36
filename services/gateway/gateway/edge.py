"""The layer around every request: its host, id, time, size, trace, metrics and log, and the last resort."""

import re
import time

from contracts.wire import MAX_UPLOAD_BYTES
from opentelemetry import trace
from runtime import clock, telemetry
from runtime.logging import bound_contextvars, get_logger
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from gateway import metrics, translation
from gateway.hosts import Hosts
from gateway.problems import EdgeCode, Problem

log = get_logger()

MAX_BODY_BYTES = 1024 * 1024
_UPLOAD = re.compile(r"PUT /api/v1/sessions/[^/]+/workspace/.+", re.DOTALL)
CLIENT_GONE = 499
"""What nginx calls it, in metrics and logs: nobody is there to read a response."""
NO_CODE = 1005
"""How a WebSocket ended that was closed without a code (RFC 6455)."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class Edge:
    """Wraps the application, as plain ASGI: every request pays for what is done here."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or one WebSocket from its handshake to its end."""
        kinds = {"http": _Exchange, "websocket": _Conversation}
        if scope["type"] not in kinds:
            await self.app(scope, receive, send)
            return
        exchange = kinds[scope["type"]](scope, receive, send)
        with (
            bound_contextvars(correlation_id=exchange.request_id),
            telemetry.span(exchange.method, exchange.headers.get("traceparent")),
        ):
            try:
                await exchange.run(self.app, self.hosts)
            finally:
                exchange.close()


class _Exchange:
    """One request and its response."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self.started = time.perf_counter()
        self.status, self.received = 0, 0
        self.method: str = scope.get("method", "WEBSOCKET")
        self.largest = MAX_UPLOAD_BYTES if _UPLOAD.fullmatch(f"{self.method} {scope['path']}") else MAX_BODY_BYTES
        self.headers = Headers(scope=scope)
        given = self.headers.get("x-request-id", "")
        self.request_id = given if _REQUEST_ID.fullmatch(given) else str(clock.new_id())
        scope["request_id"] = self.request_id

    async def run(self, app: ASGIApp, hosts: Hosts) -> None:
        try:
            _check_host(self.headers, hosts)
            _check_length(self.headers, self.largest)
            await app(self.scope, self.receive, self.send)
        except ClientDisconnect:
            self.status = CLIENT_GONE
        except Exception as error:
            if self.status:  # too late to say anything else
                raise
            await translation.of(error).response(self.scope["path"])(self.scope, self.receive, self.send)

    async def receive(self) -> Message:
        message = await self._receive()
        self.received += len(message.get("body", b""))
        if self.received > self.largest:
            raise HTTPException(413)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            taken = f"{(time.perf_counter() - self.started) * 1000:.2f}"
            message["headers"] = [
                *message["headers"],
                (b"x-request-id", self.request_id.encode()),
                (b"x-response-time", taken.encode()),
            ]
        await self._send(message)

    def close(self) -> None:
        path: str = getattr(self.scope.get("route"), "path_format", metrics.UNMATCHED)
        seconds = time.perf_counter() - self.started
        self._count(path, seconds)
        span = trace.get_current_span()
        if span.is_recording():
            span.update_name(f"{self.method} {path}")
            span.set_attributes({"http.route": path, "http.response.status_code": self.status})
        # Of the address only the route: ids, and above all the query, are the client's own.
        user = {"user_id": self.scope["user_id"]} if "user_id" in self.scope else {}
        log.info(
            "request", method=self.method, route=path, status=self.status, duration_ms=round(seconds * 1000, 2), **user
        )

    def _count(self, path: str, seconds: float) -> None:
        metrics.count(self.method, path, self.status, seconds)


class _Conversation(_Exchange):
    """One WebSocket; its status is the code that it was closed with."""

    async def run(self, app: ASGIApp, hosts: Hosts) -> None:
        try:
            _check_host(self.headers, hosts)
        except Problem as problem:
            socket = WebSocket(self.scope, self.receive, self.send)
            await socket.send_denial_response(problem.response(self.scope["path"]))
        else:
            await app(self.scope, self.receive, self.send)

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self.status = self.status or message.get("code") or NO_CODE
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "websocket.close":
            self.status = self.status or message.get("code") or NO_CODE
        elif message["type"] == "websocket.http.response.start":
            self.status = message["status"]
        await self._send(message)

    def _count(self, path: str, seconds: float) -> None:
        """Leave it out of the metrics of requests: it lasts as long as its client wants."""


def _check_host(headers: Headers, hosts: Hosts) -> None:
    if not hosts.allow(headers.getlist("host")):
        detail = "This server is not known by this host name. Its operator lists names in ALLOWED_HOSTS."
        raise Problem(EdgeCode.UNKNOWN_HOST, detail)


def _check_length(headers: Headers, largest: int) -> None:
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > largest:
        raise HTTPException(413)
