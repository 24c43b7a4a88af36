"""Limits on WebSockets that uvicorn lacks: on what clients leave unread, and on the memory of fragments."""

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.protocol import State

from runtime.http.unread_output import UnreadOutput

MAX_FRAGMENTS = 1000
"""The number of fragments of a message that are held one by one."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket that ends if its client does not read.

    Its refusal is not logged as an error: uvicorn takes it for an application that did not answer.
    """

    _pong = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Accept the connection."""
        super().connection_made(transport)
        self._unread = UnreadOutput(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timer of the connection."""
        self._unread.ends()
        super().connection_lost(exc)

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
