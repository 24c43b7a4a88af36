"""Responses of the HTTP server itself, when no application is asked: problem documents with all common headers."""

import json
from http import HTTPStatus

from runtime import clock

URI_TOO_LONG = HTTPStatus(414)
"""Its name differs between versions of Python."""
RETRY_AFTER = 1
"""Seconds after which a client that got a 503 may try again."""
HEADERS = {
    "content-type": "application/problem+json",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "connection": "close",
}


def response(status: HTTPStatus, detail: str, request_id: str, seconds: float) -> bytes:
    """Return a whole response, which took this many seconds, and after which the connection is closed."""
    code = "URI_TOO_LONG" if status is URI_TOO_LONG else status.name
    retry = {"retry_after": RETRY_AFTER} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
    problem = {
        "type": f"urn:agentapi:problem:{code}",
        "title": status.phrase,
        "status": status,
        "detail": detail,
        "instance": "/",
        "error_code": code,
        "request_id": request_id,
        "timestamp": clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    body = json.dumps(problem | retry)
    headers = HEADERS | {"x-request-id": request_id, "x-response-time": f"{seconds * 1000:.2f}"}
    headers |= {"retry-after": str(RETRY_AFTER)} if retry else {}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status:d} {status.phrase}\r\n{lines}content-length: {len(body)}\r\n\r\n{body}".encode()
