"""Ports that are reserved until a server listens on them."""

import contextlib
import errno
import socket
import sys
from types import TracebackType

from onebox.errors import CannotStart


class ReservedPort:
    """A port that is bound, but not listened on.

    Linux lets a server bind the port, too, if both sides set SO_REUSEADDR, as servers in Python and Go do. While the
    server is down, Linux assigns the port neither to programs that ask for a free port nor to outgoing connections.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._socket = _bound(host, port)
        self.number: int = self._socket.getsockname()[1]
        if sys.platform != "linux":  # BSD would refuse the server: the port is only known to have been free
            self._socket.close()

    def __enter__(self) -> "ReservedPort":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Release the port."""
        self._socket.close()


def _bound(host: str, port: int) -> socket.socket:
    with contextlib.ExitStack() as cleanup:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            reserved = cleanup.enter_context(socket.socket(family, kind, protocol))
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            reserved.bind(address)
        except socket.gaierror:
            raise CannotStart(f"HOST={host} is not an address of this machine. Use HOST=127.0.0.1.") from None
        except OSError as error:
            raise CannotStart(_reason(host, port, error)) from None
        cleanup.pop_all()
        return reserved


def _reason(host: str, port: int, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"Port {port} is in use by another program. "
                f"Stop that program, or choose another port: PORT={port + 1 if port < 65535 else 8000}."
            )
        case errno.EACCES:
            return f"This user may not listen on port {port}. Choose one above 1023, for example PORT=8000."
        case errno.EADDRNOTAVAIL:
            return f"HOST={host} is not an address of this machine. Use HOST=127.0.0.1."
        case _:
            return f"Cannot listen on {host}:{port}: {error.strerror}. Choose another HOST or PORT."
