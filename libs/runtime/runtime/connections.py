"""The bounds of HTTP connections that uvicorn does not set: how large a head is, how long it takes, how many there are.

A connection either waits for a head (it is new, or idle), reads one, or serves a request. Only the last kind is worth
keeping: whoever opens many connections and sends nothing loses them, oldest first, before others are turned away.
"""

import asyncio
import json
import resource
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from runtime import clock

MAX_HEAD_BYTES = 32 * 1024
"""Bytes of the request line and the headers together."""
HEAD_TIMEOUT = 10.0
"""Seconds from the first byte, or from the connection, to the end of the head."""
BODY_TIMEOUT = 20.0
SLOWEST_BODY = 16 * 1024
"""A body gets `BODY_TIMEOUT` seconds, and one more for each time as many bytes as this that have come."""
WRITE_TIMEOUT = 60.0
"""Seconds in which a client has to take something of what waits for it."""
MAX_CONNECTIONS = 10_000
RESERVED_DESCRIPTORS = 64
"""What a process needs besides its connections: the bus, the database, files, logs."""

HEADERS = (
    "content-type: application/problem+json\r\n"
    "x-content-type-options: nosniff\r\n"
    "content-security-policy: default-src 'none'; frame-ancestors 'none'\r\n"
    "cache-control: no-store\r\n"
    "connection: close\r\n"
)


class BoundedProtocol(HttpToolsProtocol):
    """An HTTP connection that ends when its client is too slow, sends too large a head, or idles while others wait."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._in_head, self._begun = True, False
        self._head_size, self._body_size, self._taken, self._unsent = 0, 0, 0, 0
        self.since = self._body_since = self.loop.time()

    @property
    def waiting(self) -> bool:
        """Whether no request is being served here."""
        return self._in_head and self._answered

    @property
    def _answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]  untrue

    @property
    def _framing(self) -> int:
        """How many bytes came with the body that are none of it, like trailers; chunks of one byte have 5 each."""
        return self._body_size - 8 * self._taken

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Make room for it, or turn it away."""
        super().connection_made(transport)
        self._watch(HEAD_TIMEOUT)
        if len(self.connections) > most_connections():
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching it."""
        self._unwatch()
        if self._write_timer:
            self._write_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes."""
        if self._in_head:
            self._head_size += len(data)
        else:
            self._body_size += len(data)
        super().data_received(data)
        if self not in self.connections or self.transport.is_closing():
            return  # it became a WebSocket, or it ends
        if (self._head_size if self._in_head else self._framing) > MAX_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"The headers exceed {MAX_HEAD_BYTES} bytes.")
        elif self._timer is None and (not self._in_head or self._begun or self._answered):
            self._watch(HEAD_TIMEOUT if self._in_head else BODY_TIMEOUT)

    def on_message_begin(self) -> None:
        """Take note that a head has begun."""
        self._begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Take the head, unless it is too large: one that came in few pieces was not counted exactly."""
        self._unwatch()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"The headers exceed {MAX_HEAD_BYTES} bytes.")
            raise ValueError("the headers are too large")  # the one way to stop the parser
        self._in_head, self._body_size, self._taken, self._body_since = False, 0, 0, self.loop.time()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count what is really of the body."""
        self._taken += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for the next head."""
        super().on_message_complete()
        self._unwatch()
        self._in_head, self._begun, self._head_size = True, False, 0

    def on_response_complete(self) -> None:
        """Take note since when it idles."""
        self.since = self.loop.time()
        super().on_response_complete()

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to the protocol of WebSockets, which pings."""
        self._unwatch()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP with a problem, as anything else."""
        if not self.transport.is_closing():
            self._refuse(HTTPStatus.BAD_REQUEST, msg)

    def pause_writing(self) -> None:
        """Watch whether the client takes anything."""
        super().pause_writing()
        self._unsent = self.transport.get_write_buffer_size()
        self._write_timer = self.loop.call_later(WRITE_TIMEOUT, self._look_at_what_waits)

    def resume_writing(self) -> None:
        """Stop watching."""
        super().resume_writing()
        if self._write_timer:
            self._write_timer.cancel()

    def _look_at_what_waits(self) -> None:
        before, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        if self._unsent < before:
            self._write_timer = self.loop.call_later(WRITE_TIMEOUT, self._look_at_what_waits)
        else:
            self.transport.abort()

    def _watch(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._time_is_up)

    def _unwatch(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _time_is_up(self) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        if self._in_head:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"The headers did not arrive within {HEAD_TIMEOUT:g} s.")
        elif self._answered:  # early, and nobody takes what still comes
            self.transport.close()
        elif self.flow.read_paused:  # we are the ones who are slow
            self._body_since = self.loop.time()
            self._watch(BODY_TIMEOUT)
        elif (left := self._body_since + BODY_TIMEOUT + self._body_size / SLOWEST_BODY - self.loop.time()) > 0:
            self._watch(left)
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "The body arrives too slowly.")

    def _make_room(self) -> None:
        # More than one at once, since to find the oldest means to look at all.
        idle = [other for other in self.connections if isinstance(other, BoundedProtocol) and other.waiting]
        idle.sort(key=lambda other: other.since)
        for other in idle[: 1 + len(idle) // 20]:
            other.turn_away()

    def turn_away(self) -> None:
        """End a connection that waits: too many are open."""
        if self.cycle is None:  # pyright: ignore[reportUnnecessaryComparison]  it is, before the first request
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections are open. Try again shortly.")
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        if self._answered or not (self._in_head or self.cycle.response_started):
            self.transport.write(_problem(status, detail))
        self._unwatch()
        self.transport.close()


def most_connections() -> int:
    """Return how many connections may be open: never so many that a descriptor for anything else is missing."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if descriptors == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, descriptors - RESERVED_DESCRIPTORS))


def _problem(status: HTTPStatus, detail: str) -> bytes:
    code = status.name
    body = json.dumps(
        {
            "type": f"urn:agentapi:problem:{code}",
            "title": status.phrase,
            "status": status,
            "detail": detail,
            "instance": "/",
            "error_code": code,
            "timestamp": clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
    )
    retry = "retry-after: 1\r\n" if status is HTTPStatus.SERVICE_UNAVAILABLE else ""
    head = f"HTTP/1.1 {status:d} {status.phrase}\r\n{HEADERS}{retry}content-length: {len(body)}\r\n\r\n"
    return (head + body).encode()
