"""Server-sent events."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway import translation
from gateway.streams.fan_out import AgentEvent, Streams
from gateway.streams.items import GONE, Beat, Delta, End, Gap, PublishedEvent
from gateway.streams.listener import Listener

MEDIA_TYPE = "text/event-stream"
HEARTBEAT = b": nothing new\n"  # one line end: clients that take an empty line for an event see none
PIECE, PATIENCE = 64 * 1024, 30.0
"""Seconds after which a client that has not taken as many bytes is given up."""


def event(name: str, payload: Mapping[str, Any], place: str | None = None) -> bytes:
    """Write an event; `place` is its id, which the client resumes from."""
    return _block(name, json.dumps(payload, separators=(",", ":")), place)


def connected(listener: Listener, **more: str) -> bytes:
    """Write the first event: where the stream begins, so that a client can resume before it saw an event."""
    place = str(listener.place)
    return event("connected", {"resume_from": place, **more}, place)


def written(told: AgentEvent, listener: Listener) -> bytes:
    """Write what a listener is told."""
    match told:
        case None:
            return HEARTBEAT
        case PublishedEvent():
            return _block(told.name, told.text, str(listener.place))
        case Beat():
            return event("heartbeat", told.payload, told.resume_from)
        case Gap():
            return event("gap", told.payload, told.resume_from)
        case End():
            return b"" if told is GONE else event("error", told.payload)
        case Delta():
            return event(told.name, told.payload)


class EventStream(Response):
    """Answers with events until the client leaves or the stream ends.

    `events` may raise what a route may raise, until it gave its first event.
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
                watching = tasks.create_task(self._leave(receive))
                await self._write(first, events, send)
                watching.cancel()

    async def _write(self, first: bytes, events: AsyncGenerator[bytes], send: Send) -> None:
        try:
            await _send(first, send)
            async for block in _to_their_end(events):
                await _send(block, send)
            await send({"type": "http.response.body", "body": b""})
        except (TimeoutError, OSError):  # the client takes nothing, or is gone
            self.listener.leave()

    async def _leave(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.listener.leave()


async def _to_their_end(events: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """Give the events; what goes wrong becomes the last of them, since the status was sent before."""
    try:
        async for block in events:
            yield block
    except Exception as error:  # noqa: BLE001  the last resort, as at the edge
        yield event("error", End.of(translation.of(error)).payload)


async def followed(
    streams: Streams, listener: Listener, after: str | None, check: Callable[[], Awaitable[object]] | None = None
) -> AsyncGenerator[bytes]:
    """Give all that a listener is told, from its place on.

    `check` raises when there is nothing to follow: asked when nothing can be missed any more, so that a session that
    is deleted meanwhile either does not exist or is told to be deleted.
    """
    with streams.listening(listener):
        await streams.start(listener, after)
        if check:
            await check()
        yield connected(listener)
        async with aclosing(streams.told(listener)) as told:
            async for item in told:
                yield written(item, listener)


def _block(name: str, text: str, place: str | None) -> bytes:
    head = f"id: {place}\n" if place is not None else ""
    return f"{head}event: {name}\ndata: {text}\n\n".encode()


async def _send(block: bytes, send: Send) -> None:
    for begin in range(0, len(block), PIECE):  # who takes one piece in time takes something, however slowly
        async with asyncio.timeout(PATIENCE):
            await send({"type": "http.response.body", "body": block[begin : begin + PIECE], "more_body": True})
