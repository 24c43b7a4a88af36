"""The lines of a program's output: bounded in length, and read at a bounded rate."""

from asyncio import StreamReader
from collections.abc import AsyncGenerator

from contracts.refusals import Code

from mcp_connection.failures import ConnectionFailed
from mcp_connection.throttle import Throttle

CHUNK_BYTES = 2**16
LINES_PER_SECOND, BURST_LINES = 500, 1000
BYTES_PER_SECOND, BURST_BYTES = 8 * 2**20, 16 * 2**20


async def read_lines(stdout: StreamReader, max_bytes: int) -> AsyncGenerator[bytes]:
    """Yield the lines of `stdout`, without their ends; an incomplete last line is dropped.

    Raises:
        ConnectionFailed: a line has more than `max_bytes` bytes.
    """
    line = bytearray()
    byte_rate, line_rate = Throttle(BYTES_PER_SECOND, BURST_BYTES), Throttle(LINES_PER_SECOND, BURST_LINES)
    while chunk := await stdout.read(CHUNK_BYTES):
        await byte_rate.spend(len(chunk))
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            _extend(line, end, max_bytes)
            yield bytes(line)
            line.clear()
            await line_rate.spend(1)
        _extend(line, rest, max_bytes)


def _extend(line: bytearray, part: bytes, max_bytes: int) -> None:
    line += part
    if len(line) > max_bytes:
        raise ConnectionFailed(Code.MCP_SERVER_INVALID, f"A message of the server has more than {max_bytes} bytes.")
