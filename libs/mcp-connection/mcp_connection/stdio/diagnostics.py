"""Output of a program beside its messages: logged without its secrets, and bounded."""

from asyncio import StreamReader

from contracts.mcp_registry.values import ServerConnection
from runtime.logging import get_logger
from runtime.secrets.redaction import redactor

from mcp_connection.throttle import Throttle

log = get_logger()

CHUNK_BYTES = 2**14
MAX_LOGGED_BYTES = 2**16
"""Of one program, on stderr."""
MAX_LINE_CHARS = 2000
MAX_LOGGED_INVALID_LINES = 5
TAIL_BYTES = 2**12
MAX_REASON_CHARS = 300
BYTES_PER_SECOND, BURST_BYTES = 2**20, 2**20


class Diagnostics:
    """The diagnostics of one program. The first lines on stderr are logged, and the last one is kept."""

    def __init__(self, server: ServerConnection) -> None:
        self._log = log.bind(server_id=str(server.id), server=server.definition.name)
        self._redact = redactor(server.env.values())
        self._pending, self._tail = b"", b""
        self._logged_bytes, self._invalid_lines = 0, 0

    async def read(self, stderr: StreamReader) -> None:
        """Read `stderr` to its end."""
        rate = Throttle(BYTES_PER_SECOND, BURST_BYTES)
        while chunk := await stderr.read(CHUNK_BYTES):
            self._tail = (self._tail + chunk)[-TAIL_BYTES:]
            self._add(chunk)
            await rate.spend(len(chunk))
        self._log_lines(self._pending)

    def report_invalid(self, line: bytes) -> None:
        """Log a line of the standard output that is not a message; only the first few are logged."""
        self._invalid_lines += 1
        if line.strip() and self._invalid_lines <= MAX_LOGGED_INVALID_LINES:
            self._log.warning("mcp server wrote a line that is not a message", line=self._readable(line))

    @property
    def last_line(self) -> str:
        """The last line on stderr, without secrets; empty if there is none."""
        # The first line of a full tail is incomplete, so that a secret in it would not be recognized.
        lines = self._tail.splitlines()[1 if len(self._tail) == TAIL_BYTES else 0 :]
        return next((self._readable(line)[:MAX_REASON_CHARS] for line in reversed(lines) if line.strip()), "")

    def _add(self, chunk: bytes) -> None:
        """Log the lines that are complete: in a part of a line, a part of a secret would not be recognized."""
        left = MAX_LOGGED_BYTES - self._logged_bytes
        self._logged_bytes += len(chunk)
        lines, newline, self._pending = (self._pending + chunk[: max(left, 0)]).rpartition(b"\n")
        self._log_lines(lines + newline)
        if len(chunk) > left >= 0:
            self._pending = b""  # an incomplete line
            self._log.info("mcp server wrote more to stderr, which is not logged")

    def _log_lines(self, text: bytes) -> None:
        for line in filter(bytes.strip, text.splitlines()):
            self._log.info("mcp server wrote to stderr", line=self._readable(line))

    def _readable(self, line: bytes) -> str:
        return self._redact(line.decode(errors="replace"))[:MAX_LINE_CHARS]
