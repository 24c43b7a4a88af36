"""The stream of a server's messages, paced, and with lists that are short enough to be validated."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self, cast

import anyio
from contracts.refusals import Code
from mcp.client import Transport
from mcp.client._transport import ReadStream, TransportStreams
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCResponse

from mcp_connection.failures import ConnectionFailed
from mcp_connection.throttle import Throttle
from mcp_connection.transports import FailureReport

CLOSED_BY_SERVER = ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, "The server closed the connection.")

MESSAGES_PER_SECOND = 200
MESSAGES_BURST = 2000
MAX_ITEMS = 2000
"""Items of all lists of a message, without its free-form fields. Each takes up to 25 microseconds to be validated."""
FREE_FORM = frozenset({"structuredContent", "inputSchema", "outputSchema", "arguments", "_meta", "data"})
"""Fields of the protocol whose values are not validated."""


@asynccontextmanager
async def bounded(transport: Transport, report: FailureReport) -> AsyncGenerator[TransportStreams]:
    """Connect a transport. A message that exceeds a bound ends the connection with ConnectionFailed."""
    async with transport as (messages, write):
        yield BoundedStream(messages, report), write


class BoundedStream:
    """The messages of another stream."""

    def __init__(self, messages: ReadStream[SessionMessage | Exception], report: FailureReport) -> None:
        self._messages = messages
        self._report = report
        self._throttle = Throttle(MESSAGES_PER_SECOND, MESSAGES_BURST)

    async def receive(self) -> SessionMessage | Exception:
        """Return the next message, or the reason why it could not be parsed."""
        message = await self._messages.receive()
        await self._throttle.spend(1)
        if isinstance(message, SessionMessage) and count_items(_values(message)) > MAX_ITEMS:
            failure = ConnectionFailed(
                Code.MCP_SERVER_INVALID, f"The server sent lists of more than {MAX_ITEMS} items."
            )
            self._report(failure)
            raise failure
        return message

    async def aclose(self) -> None:
        """Close the stream."""
        await self._messages.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream as error:
            self._report(CLOSED_BY_SERVER)
            raise StopAsyncIteration from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()


def count_items(value: object) -> int:
    """Return how many items the lists in a value have, outside of free-form fields; counting ends beyond MAX_ITEMS."""
    items = 0
    rest = [value]
    while rest and items <= MAX_ITEMS:
        found = rest.pop()
        if isinstance(found, list):
            items += len(cast(list[object], found))
            rest.extend(cast(list[object], found)[: MAX_ITEMS + 1])
        elif isinstance(found, dict):
            rest.extend(_validated(cast(dict[str, object], found)))
    return items


def _validated(fields: dict[str, object]) -> Iterable[object]:
    return (value for name, value in fields.items() if name not in FREE_FORM)


def _values(message: SessionMessage) -> object:
    match message.message:
        case JSONRPCResponse(result=result):
            return result
        case JSONRPCError():
            return None
        case request:
            return request.params
