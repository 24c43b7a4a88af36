"""The outermost layer of every request: its id, its time, its size, its trace, its metrics, and the last resort."""

import logging
import re
import time

from opentelemetry import trace
from runtime import clock, telemetry
from runtime.logging import bound_contextvars, get_logger
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import metrics, translation

log = get_logger()
_standard = logging.getLogger(__name__)

LARGEST_BODY = 1024 * 1024
LARGEST_UPLOAD = 5 * 1024 * 1024
_UPLOAD = re.compile(r"PUT /api/v1/sessions/[^/]+/workspace/.+", re.DOTALL)
CLIENT_GONE = 499
"""What nginx calls it, in metrics and logs: nobody is there to read a response."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class Edge:
    """Wraps the application, as plain ASGI: every request pays for what is done here."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        with (
            bound_contextvars(correlation_id=exchange.request_id),
            telemetry.span(scope["method"], exchange.headers.get("traceparent")),
        ):
            try:
                await exchange.run(self.app)
            finally:
                exchange.close()


class _Exchange:
    """One request and its response."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self.started = time.perf_counter()
        self.status, self.received = 0, 0
        self.largest = LARGEST_UPLOAD if _UPLOAD.fullmatch(f"{scope['method']} {scope['path']}") else LARGEST_BODY
        self.headers = Headers(scope=scope)
        given = self.headers.get("x-request-id", "")
        self.request_id = given if _REQUEST_ID.fullmatch(given) else str(clock.new_id())
        scope["request_id"] = self.request_id

    async def run(self, app: ASGIApp) -> None:
        try:
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
        method: str = self.scope["method"]
        seconds = time.perf_counter() - self.started
        metrics.count(method, path, self.status, seconds)
        span = trace.get_current_span()
        if span.is_recording():
            span.update_name(f"{method} {path}")
            span.set_attributes({"http.route": path, "http.response.status_code": self.status})
        if _standard.isEnabledFor(logging.DEBUG):  # asked first: a line costs more than the rest of this layer
            log.debug("request", method=method, path=self.scope["path"], status=self.status, seconds=round(seconds, 4))


def _check_length(headers: Headers, largest: int) -> None:
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > largest:
        raise HTTPException(413)
