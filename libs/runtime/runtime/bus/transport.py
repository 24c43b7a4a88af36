"""The TCP connection of nats-py, with handshakes whose failure ends them, and no plain text to a server of `tls://`."""

# pyright: reportUnknownMemberType=false
# nats-py does not annotate all parameters.

import ssl
from urllib.parse import ParseResult

import nats.errors
from nats.aio import transport


class TlsNotRequired(nats.errors.Error):
    """The server does not require TLS, but its URL begins with `tls://`."""


class TcpTransport(transport.TcpTransport):
    """A connection to a NATS server, which is encrypted after the first message of the server."""

    unprotected = False
    """Whether nothing may be sent, because TLS is still missing."""

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        """Connect without TLS, to receive the first message of the server."""
        await super().connect(uri, buffer_size, connect_timeout)
        # nats-py would send the password in plain text if another server answered in its place.
        self.unprotected = uri.scheme == "tls"

    async def connect_tls(
        self, uri: str | ParseResult, ssl_context: ssl.SSLContext, buffer_size: int, connect_timeout: int
    ) -> None:
        """Encrypt the connection, or close it.

        Raises:
            OSError: the handshake failed, or took longer than `connect_timeout` seconds; `ssl.SSLError` says why.
        """
        assert self._io_writer, "connected before"  # noqa: S101  for the type
        host = uri if isinstance(uri, str) else uri.hostname
        try:
            # nats-py makes another protocol, which does not know of TLS: it logs a warning when the connection ends.
            await self._io_writer.start_tls(ssl_context, server_hostname=host, ssl_handshake_timeout=connect_timeout)
        except BaseException:
            # The connection is closed, but `wait_closed` of this writer would wait for ever.
            self._io_reader = self._io_writer = None
            raise
        self.unprotected = False

    def write(self, payload: bytes) -> None:
        """Write bytes; `drain` waits until they are sent.

        Raises:
            TlsNotRequired: the connection should be encrypted, but is not.
        """
        if self.unprotected:
            raise TlsNotRequired("the server does not require TLS")
        super().write(payload)

    def writelines(self, payload: list[bytes]) -> None:
        """Write several bytes objects; nothing if the connection is lost, which `drain` reports."""
        # uvloop raises a RuntimeError, and asyncio of Python 3.13 a TypeError: the client, which writes as it closes,
        # would leave the connection open, and not call its callbacks.
        if self._io_writer and not self._io_writer.is_closing():
            super().writelines(payload)
