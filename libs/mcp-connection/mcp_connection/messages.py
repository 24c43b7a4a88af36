"""Messages of a server, checked before they are parsed.

Parsing is fast for long texts, but a message of many small values takes seconds and gigabytes, during which the process
would do nothing else.
"""

from contracts.refusals import Code

from mcp_connection.failures import ConnectionFailed

MAX_VALUES = 250_000
"""Lists, objects and elements of one message, outside of texts."""
MAX_QUOTES = 500_000


def check_message(data: bytes, max_bytes: int) -> None:
    """Raise ConnectionFailed if a message is too large, or has too many values to be parsed at once."""
    check_size(data, max_bytes)
    if _count(data) > MAX_VALUES and (data.count(b'"') > MAX_QUOTES or _count(_without_texts(data)) > MAX_VALUES):
        raise ConnectionFailed(Code.MCP_SERVER_INVALID, f"The server sent a message of more than {MAX_VALUES} values.")


def check_size(data: bytes | bytearray, max_bytes: int) -> None:
    """Raise ConnectionFailed if a message, or the beginning of one, is too large."""
    if len(data) > max_bytes:
        detail = f"The server sent a message of more than {max_bytes // 1024} KiB."
        raise ConnectionFailed(Code.MCP_SERVER_INVALID, detail)


def _count(data: bytes) -> int:
    return data.count(b",") + data.count(b"[") + data.count(b"{")


def _without_texts(data: bytes) -> bytes:
    """Return what is outside of quotation marks. This takes no loop over the characters."""
    return b"".join(data.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
