"""Handshakes of WebSockets (RFC 6455): requests that cannot open one, which uvicorn would refuse with plain text."""

from base64 import b64decode
from binascii import Error
from collections.abc import Iterable

VERSION = b"13"
KEY_BYTES = 16
WITH_BODY = (b"content-length", b"transfer-encoding")


def fault(method: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return why a request that asks for an upgrade to the WebSocket protocol cannot open one, or None."""
    values = [value for name, value in headers if name == b"sec-websocket-version"]
    keys = [value for name, value in headers if name == b"sec-websocket-key"]
    if method != b"GET" or version != "1.1" or any(name in WITH_BODY for name, _ in headers):
        return "A WebSocket is opened by GET, with HTTP/1.1 and without a body."
    if values != [VERSION]:
        return "Sec-WebSocket-Version must be 13."
    if len(keys) != 1 or not _is_key(keys[0]):
        return "Sec-WebSocket-Key must be 16 bytes, encoded with base64."
    return None


def _is_key(text: bytes) -> bool:
    try:
        return len(b64decode(text, validate=True)) == KEY_BYTES
    except Error:
        return False
