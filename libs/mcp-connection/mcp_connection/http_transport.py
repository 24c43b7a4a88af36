"""HTTP as MCP uses it: responses are messages or streams of them, and some failures are worth explaining."""

import re
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import cast

import httpx2
from contracts.refusals import Code
from runtime.http.addresses import AddressNotAllowed, AddressRules, HostNotFound
from runtime.http.guarded_client import GuardedTransport

from mcp_connection.failures import ConnectionFailed
from mcp_connection.limits import ConnectionLimits
from mcp_connection.messages import check_message, check_size
from mcp_connection.throttle import Throttle
from mcp_connection.translation import of_response, translated
from mcp_connection.transports import FailureReport

END_OF_EVENT = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")
BYTES_PER_SECOND = 4 * 1024 * 1024
"""Of events, on average, so that an endless stream does not keep the process busy."""


class McpTransport(GuardedTransport):
    """HTTP for one server. It reports failures that the client library would hide or not explain."""

    def __init__(
        self, rules: AddressRules, limits: ConnectionLimits, report: FailureReport, *, fails_with_request: bool = False
    ) -> None:
        super().__init__(rules, limits.message_bytes)
        self.failure: ConnectionFailed | None = None
        """Why the latest message to the server was rejected."""
        self._max_bytes = limits.message_bytes
        self._report = report
        self._fails_with_request = fails_with_request

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request."""
        if request.method == "GET":
            _wait_for_events(request)
        try:
            response = await super().handle_async_request(request)
        except (httpx2.TransportError, AddressNotAllowed, HostNotFound) as error:
            if request.method == "POST":
                self._report(translated(error))
            raise
        if _is_event_stream(response):
            _wait_for_events(request)
        if request.method == "POST":
            self._judge(request, response)
        return response

    def bounded(self, response: httpx2.Response) -> httpx2.AsyncByteStream:
        """Return the body, whose messages are checked before the library parses them."""
        bounded = super().bounded(response)
        if _is_event_stream(response):
            events = cast(httpx2.AsyncByteStream, response.stream)
            return CheckedEvents(events, self._max_bytes, self._report)
        return CheckedMessage(bounded, self._max_bytes, self._report)

    def _judge(self, request: httpx2.Request, response: httpx2.Response) -> None:
        self.failure = None if response.is_success else of_response(response)
        if self.failure is None:
            return
        if response.status_code == HTTPStatus.NOT_FOUND and "mcp-session-id" in request.headers:
            self._report(ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, "The server ended the session."))
        elif self._fails_with_request or self.failure.code == Code.AUTHORIZATION_REQUIRED:
            self._report(self.failure)


def _is_event_stream(response: httpx2.Response) -> bool:
    return response.headers.get("content-type", "").lower().startswith("text/event-stream")


def _wait_for_events(request: httpx2.Request) -> None:
    """Let reads take any time: events may be rare, and a user may be asked. Callers have limits of their own."""
    request.extensions["timeout"]["read"] = None


class CheckedBody(httpx2.AsyncByteStream):
    """A body of which one message at a time is read and checked."""

    def __init__(self, body: httpx2.AsyncByteStream, max_bytes: int, report: FailureReport) -> None:
        self._body = body
        self._max_bytes = max_bytes
        self._report = report

    async def aclose(self) -> None:
        """Close the connection, or return it to the pool."""
        await self._body.aclose()


class CheckedMessage(CheckedBody):
    """A body that is one message, as a whole."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            message = b"".join([chunk async for chunk in self._body])
            check_message(message, self._max_bytes)
        except (ConnectionFailed, httpx2.TransportError) as error:
            self._report(translated(error))
            raise
        yield message


class CheckedEvents(CheckedBody):
    """A body that is a stream of events, each as a whole. It may be endless, but not fast."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        throttle = Throttle(BYTES_PER_SECOND, self._max_bytes)
        try:
            async for event in self._events():
                check_message(event, self._max_bytes)
                await throttle.spend(len(event))
                yield event
        except ConnectionFailed as failure:
            self._report(failure)
            raise

    async def _events(self) -> AsyncIterator[bytes]:
        buffer = bytearray()
        async for chunk in self._body:
            searched = max(0, len(buffer) - 3)
            buffer += chunk
            while end := END_OF_EVENT.search(buffer, searched):
                yield bytes(buffer[: end.end()])
                del buffer[: end.end()]
                searched = 0
            check_size(buffer, self._max_bytes)
        yield bytes(buffer)
