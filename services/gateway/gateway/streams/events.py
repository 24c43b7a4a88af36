"""Server-sent events."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.problems import translation
from gateway.streams import legacy
from gateway.streams.fan_out import StreamItem, Streams
from gateway.streams.items import GONE, Delta, End, Gap, Heartbeat, PublishedEvent, to_json
from gateway.streams.listener import Listener

MEDIA_TYPE = "text/event-stream"
HEARTBEAT = b": nothing new\n"  # one line end: some clients take an empty line for the end of an event
CHUNK_BYTES, SEND_TIMEOUT_SECONDS = 64 * 1024, 30.0
"""A client that does not accept `CHUNK_BYTES` within `SEND_TIMEOUT_SECONDS` is disconnected."""


def encode(name: str, payload: Mapping[str, Any], event_id: str | None = None) -> bytes:
    """Return the text of an event; the client can resume from its id."""
    return _block(name, to_json(payload), event_id)


def connected(listener: Listener, **more: str) -> bytes:
    """Return the first event, which holds the beginning of the stream: a client can resume before it saw an event."""
    cursor = str(listener.cursor)
    return encode("connected", {"resume_from": cursor, **more}, cursor)


def encode_item(item: StreamItem, listener: Listener) -> bytes:
    """Return the text of an item of the stream."""
    match item:
        case None:
            return HEARTBEAT
        case PublishedEvent():
            text = to_json(legacy.payload(item)) if listener.legacy else item.text
            return _block(item.name, text, str(listener.cursor))
        case Heartbeat():
            return encode("heartbeat", item.payload, item.resume_from)
        case Gap():
            return encode("gap", item.payload, item.resume_from)
        case End():
            return b"" if item is GONE else encode("error", item.payload)
        case Delta():
            return encode(item.name, item.payload)


class EventStream(Response):
    """Sends events until the client leaves or the stream ends.

    Until it yields its first event, `events` may raise what a route may raise.
    """

    media_type = MEDIA_TYPE

    def __init__(self, listener: Listener, events: AsyncGenerator[bytes], **headers: str) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", **headers})
        del self.headers["content-length"]
        self.listener, self.events = listener, events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one client."""
        async with aclosing(self.events) as events:
            first = await anext(events)
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(self._watch_connection(receive))
                await self._write(first, events, send)
                watching.cancel()

    async def _write(self, first: bytes, events: AsyncGenerator[bytes], send: Send) -> None:
        try:
            await _send(first, send)
            async for block in _with_errors(events):
                await _send(block, send)
            await send({"type": "http.response.body", "body": b""})
        except (TimeoutError, OSError):  # the client does not read, or is gone
            self.listener.leave()

    async def _watch_connection(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.listener.leave()


async def _with_errors(events: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """Yield the events; an exception becomes the last of them, since the status has been sent already."""
    try:
        async for block in events:
            yield block
    except Exception as error:  # noqa: BLE001  the last resort, as at the edge
        yield encode("error", End.of(translation.of(error)).payload)


async def followed(
    streams: Streams, listener: Listener, after: str | None, check: Callable[[], Awaitable[object]] | None = None
) -> AsyncGenerator[bytes]:
    """Yield the text of all events of a stream, from the cursor `after` on.

    `check` raises if there is nothing to follow. It is called when no event can be missed any more, so that a session
    that is deleted meanwhile is either not found, or its deletion is sent.
    """
    async with streams.listening(listener):
        await streams.start(listener, after)
        if check:
            await check()
        yield connected(listener)
        async with aclosing(streams.items(listener)) as items:
            async for item in items:
                yield encode_item(item, listener)


def _block(name: str, text: str, event_id: str | None) -> bytes:
    head = f"id: {event_id}\n" if event_id is not None else ""
    return f"{head}event: {name}\ndata: {text}\n\n".encode()


async def _send(block: bytes, send: Send) -> None:
    for begin in range(0, len(block), CHUNK_BYTES):  # by chunks: a slow client that accepts one in time stays connected
        async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
            await send({"type": "http.response.body", "body": block[begin : begin + CHUNK_BYTES], "more_body": True})
