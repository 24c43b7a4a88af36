"""Limits on HTTP connections that uvicorn lacks: size and time of a request's head, and the number of connections.

The head is the request line and the headers. A connection waits for a head (it is new, or idle), reads one, or serves a
request. When there are too many, waiting connections are closed first, the longest waiting ones before others. So a
client that opens many connections and sends nothing (a Slowloris attack) does not lock out other clients.
"""

import asyncio
import resource
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from runtime.http import connection_problems, handshakes, request_id
from runtime.http.connection_problems import URI_TOO_LONG
from runtime.http.unread_output import UnreadOutput
from runtime.logging import get_logger

log = get_logger()

MAX_HEAD_BYTES = 32 * 1024
"""Size of the request line and the headers together."""
MAX_URL_BYTES = 8 * 1024
MAX_HEADERS = 100
"""Each look-up of a header reads all of them, so that many small ones would cost more than their size."""
HEAD_TIMEOUT = 10.0
"""Seconds from the first byte (or from connecting) to the end of the head."""
BODY_TIMEOUT = 20.0
MIN_BODY_RATE = 16 * 1024
"""Bytes per second: a body may take `BODY_TIMEOUT` seconds, and one more for each `MIN_BODY_RATE` bytes received."""
READ_SECONDS = 0.01
"""Time for reading what has arrived before an idle connection is closed."""
MAX_CONNECTIONS = 10_000
RESERVED_DESCRIPTORS = 64
"""File descriptors for anything but HTTP connections: the bus, the database, files, logs."""


class BoundedProtocol(HttpToolsProtocol):
    """An HTTP connection that is closed if its client is too slow, sends a large head, or idles while others wait."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timer: asyncio.TimerHandle | None = None
        self._in_head, self._begun = True, False
        self._head_size, self._body_size, self._content_size = 0, 0, 0
        self.idle_since = self._body_since = self._head_since = self.loop.time()

    @property
    def waiting(self) -> bool:
        """Whether the connection is serving no request."""
        return self._in_head and self._answered

    @property
    def _answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]  None at first

    @property
    def _framing(self) -> int:
        """Bytes of chunk headers and trailers beyond an allowance: 8 bytes for each byte of content, which takes 6."""
        return self._body_size - 8 * self._content_size

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Accept the connection, and close waiting ones if there are too many."""
        super().connection_made(transport)
        self._unread = UnreadOutput(transport)
        self._start_timer(HEAD_TIMEOUT)
        if len(self.connections) > max_connections():
            self._close_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timers of the connection."""
        self._cancel_timer()
        self._unread.ends()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass received bytes to the parser, and check size and time limits."""
        if self._in_head:
            self._head_size += len(data)
        else:
            self._body_size += len(data)
        super().data_received(data)
        if self not in self.connections or self.transport.is_closing():
            return  # it became a WebSocket, or it is closing
        if (self._head_size if self._in_head else self._framing) > MAX_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"The headers exceed {MAX_HEAD_BYTES} bytes.")
        elif self._timer is None and (not self._in_head or self._begun or self._answered):
            self._start_timer(HEAD_TIMEOUT if self._in_head else BODY_TIMEOUT)

    def on_message_begin(self) -> None:
        """Record that a head has begun."""
        self._begun, self._head_since = True, self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Accept the head unless it is too large, which the count of received bytes misses if it came in few pieces."""
        self._cancel_timer()
        if refusal := self._too_large() or self._handshake_fault():
            self._refuse(*refusal)
            raise ValueError("the head is refused")  # the only way to stop the parser
        super().on_headers_complete()  # raises if the target is not valid: then the head is refused
        self._in_head, self._body_size, self._content_size, self._body_since = False, 0, 0, self.loop.time()

    def _too_large(self) -> tuple[HTTPStatus, str] | None:
        if len(self.url) > MAX_URL_BYTES:
            return URI_TOO_LONG, f"The URL exceeds {MAX_URL_BYTES} bytes."
        too_large = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        if len(self.headers) > MAX_HEADERS:
            return too_large, f"There are more than {MAX_HEADERS} headers."
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD_BYTES:
            return too_large, f"The headers exceed {MAX_HEAD_BYTES} bytes."
        return None

    def _handshake_fault(self) -> tuple[HTTPStatus, str] | None:
        parser = self.parser
        if parser is None or not (parser.should_upgrade() and self._should_upgrade()):
            return None
        found = handshakes.fault(parser.get_method(), parser.get_http_version(), self.headers)
        return (HTTPStatus.BAD_REQUEST, found) if found else None

    def on_body(self, body: bytes) -> None:
        """Count the bytes of the body itself."""
        self._content_size += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for the next head."""
        super().on_message_complete()
        self._cancel_timer()
        self._in_head, self._begun, self._head_size = True, False, 0

    def on_response_complete(self) -> None:
        """Record since when the connection has been idle."""
        self.idle_since = self.loop.time()
        super().on_response_complete()

    def timeout_keep_alive_handler(self) -> None:
        """Close the idle connection, unless a request arrived in time that is not read yet.

        After a delay of the process, the event loop calls its timers before it reads, and closing a connection with
        unread data resets it.
        """
        self.timeout_keep_alive_task = self.loop.call_later(READ_SECONDS, super().timeout_keep_alive_handler)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to the WebSocket protocol, which has its own timeouts (pings)."""
        self._cancel_timer()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Answer a request that is not valid HTTP with a problem document."""
        if not self.transport.is_closing():
            self._refuse(HTTPStatus.BAD_REQUEST, msg)

    def pause_writing(self) -> None:
        """Wait until the client has read some."""
        super().pause_writing()
        self._unread.begins()

    def resume_writing(self) -> None:
        """Write again: the client has read everything."""
        super().resume_writing()
        self._unread.ends()

    def _start_timer(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._timed_out)

    def _cancel_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _timed_out(self) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        if self._in_head:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"The headers did not arrive within {HEAD_TIMEOUT:g} s.")
        elif self._answered:  # before the body was complete; the rest of it is not read
            self.transport.close()
        elif self.flow.read_paused:  # the application is slow, not the client
            self._body_since = self.loop.time()
            self._start_timer(BODY_TIMEOUT)
        elif (remaining := self._body_since + BODY_TIMEOUT + self._body_size / MIN_BODY_RATE - self.loop.time()) > 0:
            self._start_timer(remaining)
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "The body did not arrive within the time limit.")

    def _close_waiting(self) -> None:
        # Finding the longest waiting ones means sorting all, so several are closed each time.
        idle = [other for other in self.connections if isinstance(other, BoundedProtocol) and other.waiting]
        idle.sort(key=lambda other: other.idle_since)
        for other in idle[: 1 + len(idle) // 20]:
            other.close_waiting()

    def close_waiting(self) -> None:
        """Close a waiting connection because too many are open."""
        if self.cycle is None:  # pyright: ignore[reportUnnecessaryComparison]  None at first
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections are open. Try again shortly.")
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        if self._answered or not (self._in_head or self.cycle.response_started):
            id, seconds = self._request_id(), self.loop.time() - self._head_since
            log.info("connection refused", status=status, correlation_id=id, duration_ms=round(seconds * 1000, 2))
            self.transport.write(connection_problems.response(status, detail, id, seconds))
        self._cancel_timer()
        self.transport.close()

    def _request_id(self) -> str:
        if not self._in_head and (known := self.cycle.scope.get("request_id")):  # the one in the log of the application
            return str(known)
        sent = dict(self.headers).get(request_id.HEADER.encode(), b"") if self._begun else b""
        return request_id.accepted_or_new(sent.decode("latin-1"))


def max_connections() -> int:
    """Return the maximum number of open connections, which leaves file descriptors for everything else."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if descriptors == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, descriptors - RESERVED_DESCRIPTORS))
