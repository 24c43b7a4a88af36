"""Requests to the Messages API, over HTTP without TLS: the session service serves it in the sandbox."""

import json
import os
import socket
from collections.abc import Generator, Iterator

from simulator.claude_code.channel import Channel, Frame

RETRIED = frozenset({401, 408, 409, 429})
FIRST_DELAY_SECONDS = 0.05
"""Shorter than that of the CLI: tests wait for it."""
ERRORS = {401: "authentication_failed", 429: "rate_limit", 529: "overloaded"}


class ApiError(Exception):
    """The model did not answer. `status` and `kind` are those of its response, if there was one."""

    def __init__(self, text: str, status: int | None = None, kind: str | None = None, *, retried: bool = True) -> None:
        super().__init__(text)
        self.text, self.status, self.kind, self.retried = text, status, kind, retried


class Model:
    """The Messages API at `ANTHROPIC_BASE_URL`."""

    def __init__(self, channel: Channel, session_id: str) -> None:
        host, _, port = os.environ["ANTHROPIC_BASE_URL"].removeprefix("http://").strip("/").partition(":")
        self._channel, self._host, self._port = channel, host, int(port)
        self._session_id = session_id
        self._retries = int(os.environ.get("CLAUDE_CODE_MAX_RETRIES", "10"))
        self._answer_ms = int(os.environ.get("API_TIMEOUT_MS", "600000"))
        self._silence_ms = int(os.environ.get("CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS", "300000"))

    def events(self, body: Frame, beta: str) -> Generator[Frame]:
        """Yield the events of a response. A request is repeated until it has one, as often as configured.

        Raises:
            ApiError: there was none, or it ended before its last event.
        """
        attempt = 0
        while True:
            try:
                return (yield from self._response(body, beta, attempt))
            except ApiError as error:
                if not error.retried or attempt >= self._retries:
                    raise
                self._announce_retry(error, attempt := attempt + 1)
                self._channel.wait(FIRST_DELAY_SECONDS * 2 ** (attempt - 1))

    def _announce_retry(self, error: ApiError, attempt: int) -> None:
        retry = {"subtype": "api_retry", "attempt": attempt, "max_retries": self._retries, "retry_delay_ms": 50}
        name = ERRORS.get(error.status or 0, "server_error")
        self._channel.send({"type": "system", **retry, "error_status": error.status, "error": name})

    def _response(self, body: Frame, beta: str, attempt: int) -> Generator[Frame]:
        try:
            connection = socket.create_connection((self._host, self._port))
        except OSError:
            blocked = "a firewall or proxy may be blocking it (ECONNREFUSED)"
            raise ApiError(f"API Error: Connection refused — {blocked}") from None
        with connection:
            connection.sendall(self._request(body, beta, attempt))
            received = self._received(connection, self._answer_ms)
            status, headers, rest = _head(received)
            content = _content(headers, rest, received)
            if status != 200:
                raise _refused(status, b"".join(content), f"{self._host}:{self._port}", body["model"])
            yield from _events(content)

    def _request(self, body: Frame, beta: str, attempt: int) -> bytes:
        data = json.dumps(body, ensure_ascii=False).encode(errors="replace")
        headers = {
            "Accept": "application/json",
            "Connection": "close",
            "Content-Length": len(data),
            "Content-Type": "application/json",
            "Host": f"{self._host}:{self._port}",
            "User-Agent": "claude-cli/0 (stand-in)",
            "X-Claude-Code-Session-Id": self._session_id,
            "X-Stainless-Retry-Count": attempt,
            "anthropic-beta": beta,
            "anthropic-version": "2023-06-01",
            "x-api-key": os.environ["ANTHROPIC_API_KEY"],
            "x-app": "cli",
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST /v1/messages?beta=true HTTP/1.1\r\n{lines}\r\n".encode() + data

    def _received(self, connection: socket.socket, answer_ms: int) -> Iterator[bytes]:
        """Yield what is received; the first piece has to come within another time than all others."""
        timeout = f"Request timed out. If the API is slow to answer, set API_TIMEOUT_MS above {answer_ms}."
        error, milliseconds = ApiError(timeout), answer_ms
        while True:
            if not self._channel.wait(milliseconds / 1000, connection.fileno()):
                raise error
            try:
                data = connection.recv(2**16)
            except ConnectionError:
                data = b""
            if not data:
                return
            yield data
            error = ApiError("API Error: Stream idle timeout - no chunks received", retried=False)
            milliseconds = self._silence_ms


def _head(received: Iterator[bytes]) -> tuple[int, dict[str, str], bytes]:
    """Return the status, the headers, and what was received of the content."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(received)
    head, _, rest = data.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return int(status.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}, rest


def _content(headers: dict[str, str], data: bytes, received: Iterator[bytes]) -> Iterator[bytes]:
    if headers.get("transfer-encoding") != "chunked":
        length = int(headers["content-length"])
        while len(data) < length:
            data += _more(received)
        yield data[:length]
        return
    while True:
        while b"\r\n" not in data:
            data += _more(received)
        size, _, data = data.partition(b"\r\n")
        if not (length := int(size, 16)):
            return
        while len(data) < length + 2:
            data += _more(received)
        yield data[:length]
        data = data[length + 2 :]


def _more(received: Iterator[bytes]) -> bytes:
    if data := next(received, b""):
        return data
    lost = "API Error: Connection to the API was lost (ECONNRESET). This is usually temporary — try again."
    raise ApiError(lost, retried=False)


def _events(content: Iterator[bytes]) -> Iterator[Frame]:
    data, kind = b"", None
    for piece in content:
        *blocks, data = (data + piece).split(b"\n\n")
        for block in blocks:
            for line in block.split(b"\n"):
                if line.startswith(b"data:"):
                    event = json.loads(line[5:])
                    kind = event["type"]
                    if kind == "error":
                        raise ApiError(f"API Error: {json.dumps(event)}", retried=False)
                    if kind != "ping":
                        yield event
    if kind != "message_stop":
        raise ApiError("API Error: The response ended before it was complete.", retried=False)


def _refused(status: int, body: bytes, host: str, model: str) -> ApiError:
    try:
        error = json.loads(body)["error"]
        kind, message = error["type"], error["message"]
    except (ValueError, KeyError, TypeError):
        kind, message = "api_error", body.decode(errors="replace")
    text = f"API Error: {status} {message}"
    if status == 401:
        text = f"Failed to authenticate. {text}"
    if status == 404:
        text = f"There's an issue with the selected model ({model}). It may not exist or you may not have access to it."
    if status >= 500:
        advice = f"If it persists, check your inference gateway ({host})."
        text = f"{text}. This is a server-side issue, usually temporary — try again in a moment. {advice}"
    return ApiError(text, status, kind, retried=status in RETRIED or status >= 500)
