"""Limits on WebSockets that uvicorn lacks: on unread output, the memory of fragments, and the time for frames."""

import asyncio
import time
from typing import Any, ClassVar, Self

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.protocol import State

from runtime.http.unread_output import UnreadOutput

MAX_FRAGMENTS = 1000
"""The number of fragments of a message that are held one by one."""
PIECE_BYTES = 1024
"""What is parsed at once: at most 170 frames, which take about 2 ms."""
TURN_SECONDS = 0.002
"""The processor time after which a connection rests, so that others have their turn."""
REST = 4
"""How many times as long as the turn a rest is, times the connections that rest: all together get a fifth."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket that ends if its client does not read.

    Its refusal is not logged as an error: uvicorn takes it for an application that did not answer.
    """

    _resting: ClassVar[set[Self]] = set()
    _pong = b""
    _used = 0.0
    _rest: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Accept the connection."""
        super().connection_made(transport)
        self._unread, self._received = UnreadOutput(transport), bytearray()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timers of the connection."""
        self._unread.ends()
        self._resting.discard(self)
        if self._rest:
            self._rest.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse frames, now or after the rest of the connection."""
        self._received += data
        if self._rest:
            self.transport.pause_reading()
        else:
            self._parse()

    async def receive(self) -> Any:
        """Return the next message; what follows is read after the rest of the connection."""
        await asyncio.sleep(0)  # an application that answers without waiting would take all that are queued at once
        message = await super().receive()
        if self._rest:
            self.transport.pause_reading()
        return message

    def _parse(self) -> None:
        # In pieces, and with rests: a client that sends nothing but tiny frames would keep all others waiting.
        before = time.thread_time()
        while self._received and self._used < TURN_SECONDS and not self.transport.is_closing():
            piece = bytes(self._received[:PIECE_BYTES])
            del self._received[:PIECE_BYTES]
            super().data_received(piece)
            now = time.thread_time()
            self._used, before = self._used + now - before, now
        if self._used >= TURN_SECONDS:
            self._begin_rest()

    def _begin_rest(self) -> None:
        self.transport.pause_reading()
        self._resting.add(self)
        self._rest = self.loop.call_later(self._used * REST * len(self._resting), self._end_rest)
        self._used = 0.0

    def _end_rest(self) -> None:
        self._resting.discard(self)
        self._rest = None
        self._parse()
        if not (self._rest or self.read_paused):
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        """Wait until the client has read some."""
        super().pause_writing()
        self._unread.begins()

    def resume_writing(self) -> None:
        """Write again, and answer the last ping: the client has read everything."""
        super().resume_writing()
        self._unread.ends()
        self._answer_ping()

    def handle_ping(self) -> None:
        """Answer a ping, of those that arrive while the client reads nothing only the last one (RFC 6455, 5.5.3)."""
        self._pong = b"".join(self.conn.data_to_send())
        if self.writable.is_set():
            self._answer_ping()

    def _answer_ping(self) -> None:
        pong, self._pong = self._pong, b""
        if self.conn.state is State.OPEN:
            self.transport.write(pong)

    def handle_cont(self, event: Frame) -> None:
        """Add a fragment to its message. Many are joined, because small or empty ones take many times their size."""
        if len(self.frames) >= MAX_FRAGMENTS:
            self.frames = [b"".join(self.frames)]
        super().handle_cont(event)

    async def send(self, message: Any) -> None:
        """Send a message of the application."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True
