"""A client of event streams that uses independent libraries."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from contracts.samples import SESSION
from httpx_sse import EventSource, ServerSentEvent, aconnect_sse

TIMEOUT_SECONDS = 60
EVENTS = f"/api/v1/sessions/{SESSION}/events"


class Follower:
    """The reader of one stream."""

    def __init__(self, source: EventSource) -> None:
        self.source = source
        self._events: AsyncIterator[ServerSentEvent] = source.aiter_sse()

    async def next(self) -> ServerSentEvent:
        """Return the next event that is not a heartbeat."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while (event := await anext(self._events)).event == "heartbeat":
                pass
        return event

    async def heartbeat(self) -> ServerSentEvent:
        """Return the next event, and check that it is a heartbeat."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            event = await anext(self._events)
        assert event.event == "heartbeat"
        return event

    async def names(self, number: int) -> list[str]:
        return [(await self.next()).event for _ in range(number)]

    async def remaining(self) -> list[ServerSentEvent]:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return [event async for event in self._events if event.event != "heartbeat"]


@asynccontextmanager
async def open_stream(
    base_url: str, token: str, path: str = EVENTS, method: str = "GET", **options: Any
) -> AsyncGenerator[Follower]:
    """Open a stream, and read its event `connected`."""
    headers = {"authorization": f"Bearer {token}"} | options.pop("headers", {})
    async with (
        httpx.AsyncClient(base_url=base_url, headers=headers, timeout=TIMEOUT_SECONDS) as client,
        aconnect_sse(client, method, path, **options) as source,
    ):
        source.response.raise_for_status()
        follower = Follower(source)
        assert (await follower.next()).event == "connected"
        yield follower
