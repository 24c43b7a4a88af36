"""The lines of a program's output: bounded in length, and read at a bounded rate."""

from asyncio import StreamReader
from collections.abc import AsyncGenerator

from mcp_connection.messages import check_size
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
            line += end
            check_size(line, max_bytes)
            yield bytes(line)
            line.clear()
            await line_rate.spend(1)
        line += rest
        check_size(line, max_bytes)
