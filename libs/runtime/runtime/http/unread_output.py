"""Ends connections whose clients do not read what they are sent: it would stay in memory, and they would stay open.

Closing a connection waits until its client has read everything, which may be never.
"""

import asyncio

READ_TIMEOUT = 60.0
"""Seconds within which a client has to read `MIN_READ_BYTES` of what waits for it, or all of it."""
MIN_READ_BYTES = 64 * 1024


class UnreadOutput:
    """What was written to a connection and waits until its client reads; its protocol says when there is some."""

    def __init__(self, transport: asyncio.Transport) -> None:
        transport.set_write_buffer_limits(high=0)  # or a little output would wait without a call of pause_writing
        self._transport = transport
        self._size, self._timer = 0, None

    def begins(self) -> None:
        """Abort the connection if its client does not read; called when writing is paused."""
        self._size = self._transport.get_write_buffer_size()
        self._timer = asyncio.get_running_loop().call_later(READ_TIMEOUT, self._check)

    def ends(self) -> None:
        """Abort it no more; called when writing is resumed, and when the connection is lost."""
        if self._timer:
            self._timer.cancel()

    def _check(self) -> None:
        if self._size - self._transport.get_write_buffer_size() < MIN_READ_BYTES:
            self._transport.abort()
        else:
            self.begins()
